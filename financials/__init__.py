"""The ERP side: its tables and their business rules."""
