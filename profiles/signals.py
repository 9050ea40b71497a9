"""What profiles tells the apps above it, inside the transaction of the act."""

from django.dispatch import Signal

# What someone may do has changed. Arguments: scope ("owner", "account", "toolkit" or "server"), subject (its id).
authority_changed = Signal()

# A toolkit was deleted. Arguments: toolkit, by (Actor), now.
toolkit_deleted = Signal()

# A server lists other tools than before. Arguments: server, altered (what it defines otherwise), now.
tools_listed = Signal()

# A person lost their access, to one account or, where account is None, to all. Arguments: user, account, by, now.
access_ended = Signal()

# Events were written together. Arguments: events.
events_recorded = Signal()

# A person no longer trusts anything that can act for them: their tokens and applications end. Arguments: user, by, now.
everything_distrusted = Signal()
