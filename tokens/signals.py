"""What tokens tell those who pass it on, in the transaction of the act."""

from django.dispatch import Signal

# Somebody should hear of a token. Arguments: kind ("token.expiring", …), token, stage (of a reminder, or ""), at.
notice_given = Signal()
