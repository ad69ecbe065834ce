"""The default mappings as data, one module a family; the customer's own changes are a layer above (DESIGN §5)."""
