"""Looks for what would go wrong before anything is written: what can be said without knowing any mapping.

`finding.py` holds the shape of what is found, `facts.py` asks the CRM, and `rules.py` judges the answers (pure). The
rules that need mappings are in `coupling/preflight`.
"""
