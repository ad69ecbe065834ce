"""What the connection room tells the rooms above it, which it does not know."""

from django.dispatch import Signal

# Sent after the commit, with `connection`, when a CRM connection has been tested and enabled.
connection_enabled = Signal()
