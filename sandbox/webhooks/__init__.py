"""Webhooks: service endpoints that are told about changes, and may refuse them (dataverse-web-api.md 14)."""
