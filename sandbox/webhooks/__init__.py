"""Webhooks: service endpoints that are told about changes after they were committed (dataverse-web-api.md 14)."""
