"""What the hub tells clients in band when their token is about to end."""

from django.conf import settings

from tokens.keys import Kind
from tokens.lookup import WARN_BEFORE, TokenAuthority


def notice(authority: TokenAuthority, now: float) -> str:
    """Return a sentence for the last 24 hours of a delegated token, and nothing else before; now in seconds."""
    left = authority.ends_at - now
    if authority.kind is not Kind.DELEGATED or not 0 < left <= WARN_BEFORE:
        return ""
    hours, minutes = int(left) // 3600, int(left) % 3600 // 60
    span = f"{hours} h {minutes} min" if hours else f"{max(1, minutes)} min"
    page = f"{settings.NEXUS_BASE_URL}/tokens/{authority.public_id}/"
    return f"Notice: the token “{authority.name}” ends in {span}. Its owner can replace it here: {page}"
