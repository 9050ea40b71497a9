"""Numbers as the language of the page has them; Django's own filters take ten times as long."""

from functools import cache

from django.conf import settings
from django.utils.formats import get_format
from django.utils.translation import get_language


def grouped(number: int) -> str:
    return written(f"{number:,}")


def written(number: str) -> str:
    """Return the number, written as in English, with the marks of the language."""
    return number.translate(_marks(get_language() or settings.LANGUAGE_CODE))


@cache
def _marks(language: str) -> dict[int, str]:
    names = {",": "THOUSAND_SEPARATOR", ".": "DECIMAL_SEPARATOR"}
    return str.maketrans({mark: get_format(name, language, use_l10n=True) for mark, name in names.items()})
