"""The stand-in for Entra ID: its directory of people, registered clients, codes and tokens (2)."""
