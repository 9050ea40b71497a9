"""Text that others wrote, as it is shown: what cannot be seen must not deceive."""

import re
import unicodedata
from itertools import groupby

# Controls, what has no width or no ink, or turns the direction of what follows.
UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
MOST_MARKS = 3  # on one letter: no language writes more, and a pile of them is drawn over the lines below and above


def has_piled_marks(text: str) -> bool:
    is_mark = (unicodedata.category(character) in ("Mn", "Me") for character in text)
    return any(found and len(list(run)) > MOST_MARKS for found, run in groupby(is_mark))


def visible(text: object) -> str:
    """Write characters that cannot be seen by their code."""
    return UNSEEN.sub(_code, str(text))


def visible_lines(text: object) -> str:
    """Do so in a text of several lines: line ends and tabs stay."""
    return UNSEEN.sub(lambda match: match[0] if match[0] in "\n\t" else _code(match), str(text).replace("\r\n", "\n"))


def _code(match: re.Match[str]) -> str:
    return f"\\u{{{ord(match[0]):x}}}"
