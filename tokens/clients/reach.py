"""Whether clients that call from elsewhere can reach this Nexus, as far as its address tells."""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings

PRIVATE_ENDINGS = ("localhost", ".local", ".internal", ".lan", ".home.arpa", ".test", ".example", ".invalid")


def has_public_address() -> bool:
    parts = urlsplit(settings.NEXUS_BASE_URL)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(PRIVATE_ENDINGS)
