"""What the connection room tells the rooms above it, which it does not know."""

from django.dispatch import Signal

# Sent with `connection` when it has been tested and is about to be enabled. A receiver makes ready what must be before
# anything flows, and raises the error that stands in the way.
connection_enabling = Signal()

# Sent after the commit, with `connection`, when a CRM connection has been tested and enabled.
connection_enabled = Signal()

# Sent with `connection`, inside the transaction that notes it, when the CRM has told its base currency for the first
# time.
base_currency_learned = Signal()

# Sent with `connection`, inside the transaction that notes it, when another environment takes the place of the one
# before, or the same one has another address: no link into the CRM holds any more.
environment_changed = Signal()
