"""Microsoft's sample company Northwind as input: its CSV files, read into the financials."""
