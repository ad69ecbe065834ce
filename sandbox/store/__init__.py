"""The sandbox's own SQLite file: one table per Dataverse table, a real column per attribute."""
