"""When the owner of a token or management key is reminded of its end. Pure functions of its life and the clock."""

from datetime import datetime, timedelta

from profiles.models import ReminderStage
from tokens.models.delegated import DelegatedToken
from tokens.models.management_keys import ManagementKey

Running = DelegatedToken | ManagementKey

BEFORE_THE_END: dict[ReminderStage, timedelta] = {  # in the order in which they come
    ReminderStage.WEEK: timedelta(days=7),
    ReminderStage.THREE_DAYS: timedelta(days=3),
    ReminderStage.DAY: timedelta(hours=24),
    ReminderStage.HOUR: timedelta(hours=1),
    ReminderStage.EXPIRED: timedelta(0),
}
EXPIRED_FOR = timedelta(days=3)  # so long after its end a token is still spoken of


def moments(token: Running) -> list[tuple[ReminderStage, datetime]]:
    """Return the stages of this life and when each comes: none that is as long as the life or longer."""
    life = token.expires_at - token.issued_at
    return [(stage, token.expires_at - before) for stage, before in BEFORE_THE_END.items() if before < life]


def may_matter(token: Running) -> bool:
    """Return True unless the token was ended or replaced by somebody, or came from an exchange."""
    is_exchanged = isinstance(token, DelegatedToken) and token.exchanges
    return not (token.revoked_at or token.retires_at or is_exchanged or token.stage == token.Stage.OVERLAPPING)


def due(token: Running, now: datetime) -> list[ReminderStage]:
    """Return the stages that have come, the latest last; none where the owner need not care, or no longer."""
    if not may_matter(token) or token.stage == token.Stage.PENDING or token.expires_at + EXPIRED_FOR <= now:
        return []
    if token.stage == token.Stage.ENDED and token.expires_at > now:
        return []
    return [stage for stage, moment in moments(token) if moment <= now]


def next_moment(token: Running, now: datetime) -> datetime | None:
    return next((moment for _, moment in moments(token) if moment > now), None)
