"""The tables that the sandbox knows, read from one data file a table."""
