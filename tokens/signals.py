"""What tokens tells the apps above it, and what it asks of them."""

from django.dispatch import Signal

# An owner is told something about a token; sent inside the transaction of the claim, once for each (token, stage).
# Arguments: owner, account, notice (tokens.notifying.Notice), now.
notice_given = Signal()

# Which clients were seen last? Arguments: public_ids. A receiver returns dict[public id, what the client calls itself].
clients_wanted = Signal()
