import re

from django import template

register = template.Library()

# Controls, and what has no width or turns the direction of what follows.
UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


@register.filter
def visible(text: object) -> str:
    """Write characters that cannot be seen by their code: what a client says of itself must not deceive."""
    return UNSEEN.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", str(text))


# Django's floatformat and intcomma say the same in ten times the time, and a page has hundreds of them.
@register.filter
def milliseconds(number: float) -> str:
    return f"{number:,.1f} ms"


@register.filter
def grouped(number: int) -> str:
    return f"{number:,}"
