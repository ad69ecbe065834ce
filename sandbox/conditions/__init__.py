"""The weather that clients meet: how long answers take, how much one user may ask, and faults on purpose."""
