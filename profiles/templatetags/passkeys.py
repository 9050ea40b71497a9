import json
from typing import Any

from django import template

register = template.Library()


@register.filter
def as_options(asked: dict[str, Any]) -> str:
    """Return what a browser is asked for with a passkey as JSON for an attribute; empty if the person has none."""
    options = dict(asked["request_options"])
    return json.dumps(options) if options["publicKey"].get("allowCredentials") else ""
