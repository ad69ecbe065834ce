"""Both sides as the engine sees them: tables that speak one small protocol."""
