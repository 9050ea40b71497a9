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

# Somebody has another role. Arguments: member, by, now.
role_changed = Signal()

# An organization was deleted; its members go right after. Arguments: account, by, now.
account_deleted = Signal()

# What can these people call with, in the account? Arguments: account, users (ids, or None for all), now.
# A receiver returns dict[user id, profiles.holdings.Holding].
holdings_wanted = Signal()

# Events were written together. Arguments: events.
events_recorded = Signal()

# What goes with a person, if they are disabled? Arguments: user, now. A receiver returns list[str], a sentence each.
impact_wanted = Signal()
# A person no longer trusts anything that can act for them: their tokens and applications end. Arguments: user, by, now.
everything_distrusted = Signal()

# What stops with a toolkit, if it is archived? Arguments: toolkit, now. A receiver returns list[str], a sentence each.
archive_impact_wanted = Signal()
