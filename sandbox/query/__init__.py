"""OData query options: parsed here, and answered by one SQL statement that builds the JSON itself."""
