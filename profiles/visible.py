"""Text that others wrote, as it is shown: what cannot be seen must not deceive."""

import re

# Controls, and what has no width or turns the direction of what follows.
UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: object) -> str:
    """Write characters that cannot be seen by their code."""
    return UNSEEN.sub(_code, str(text))


def visible_lines(text: object) -> str:
    """Do so in a text of several lines: line ends and tabs stay."""
    return UNSEEN.sub(lambda match: match[0] if match[0] in "\n\t" else _code(match), str(text).replace("\r\n", "\n"))


def _code(match: re.Match[str]) -> str:
    return f"\\u{{{ord(match[0]):x}}}"
