"""What tokens tells the apps above it, and what it asks of them."""

from django.dispatch import Signal

# Owners are told of their tokens; sent inside the transaction of the claims, with each (token, stage) once.
# Arguments: notices (of tokens.notifying.Notice), now.
notices_given = Signal()

# Which clients were seen last? Arguments: public_ids. A receiver returns dict[public id, what the client calls itself].
clients_wanted = Signal()

# What calls did tokens make? Arguments: asked (of tokens.uses.Asked). A receiver returns dict[public id, Use].
uses_wanted = Signal()

# Who made the latest calls? Arguments: address, client; one of them, or none. A receiver returns tokens.uses.Callers.
callers_wanted = Signal()
# What was unexpected of a token's use? Arguments: event, token. A receiver returns it in the language of the mail.
unexpected_wanted = Signal()

# From where did calls of tokens come? Arguments: public_ids. A receiver returns list[address] of calls let through.
addresses_wanted = Signal()
