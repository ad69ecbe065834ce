"""Solutions: packages that bring tables, columns, relationships and roles (dataverse-web-api.md 12)."""
