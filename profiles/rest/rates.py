"""How many requests a person or a key may send in a minute (draft-ietf-httpapi-ratelimit-headers)."""

import time
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import caches
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

WINDOW = 60  # seconds
DOWN = (RedisError, OSError)

logger = structlog.stdlib.get_logger("nexus.api")


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a window."""

    most: int
    taken: int
    ends_in: int  # seconds

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"requests";q={self.most};w={WINDOW}',
            "RateLimit": f'"requests";r={max(self.most - self.taken, 0)};t={self.ends_in}',
        }


class PerAsker(BaseThrottle):
    """Counts in Redis; without it, in this process. Where neither answers nobody is kept from revoking."""

    quota: Quota | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return True
        self.quota = _take(_name(request))
        request._request.META["nexus.quota"] = self.quota
        return self.quota is None or self.quota.taken <= self.quota.most

    def wait(self) -> float | None:
        return float(self.quota.ends_in) if self.quota else None


def _name(request: Request) -> str:
    return f"key:{request.auth.public_id}" if hasattr(request.auth, "public_id") else f"user:{request.user.pk}"


def _take(name: str) -> Quota | None:
    """Count one request in this minute."""
    second = int(time.time())
    key, ends_in = f"rest:{name}:{second // WINDOW}", WINDOW - second % WINDOW
    try:
        counts = caches["rates"]
        taken = 1 if counts.add(key, 1, timeout=2 * WINDOW) else counts.incr(key)
    except DOWN as error:
        logger.warning("requests are not counted", error=str(error))
        return None
    except ValueError:  # forgotten between the two
        taken = 1
    return Quota(settings.NEXUS_RATE_REST, taken, ends_in)


def headers_of(request: Any) -> dict[str, str]:
    quota = request.META.get("nexus.quota")
    return quota.headers if quota else {}
