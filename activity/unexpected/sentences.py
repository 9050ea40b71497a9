"""What is said of unexpected use: kept in English with its parts, so that it can be told in another language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from activity import reasons
from activity.numbers import written

SENTENCES = {
    "network": _("Calls come from %(network)s, where it was not used before."),
    "client": _("A client calls that says it is “%(client)s”, which did not use it before."),
    "burst": _(
        "It made %(number)s calls in the hour from %(hour)s UTC; "
        "the most in one of the %(days)s days before was %(before)s."
    ),
    "burst_at_once": _("It made %(number)s calls in the hour from %(hour)s UTC; there were none before."),
    "refused": _("Its last %(number)s calls were all refused."),
    "refused_because": _("Its last %(number)s calls were all refused: %(reason)s."),
    "shared": _("Two services take turns within one hour: %(one)s, and %(other)s."),
    "shared_networks": _(
        "Two services take turns within one hour: %(client)s in %(one)s, and %(client)s in %(other)s."
    ),
    "ended": _("It has ended, and is still used from %(network)s. The calls are refused."),
}
NAMELESS = {
    "network": _("an unknown address"),
    "one": _("an unnamed client"),
    "other": _("an unnamed client"),
}
NUMBERS = {"number", "before"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One of them, and what it names; what has no name is an empty text."""

    name: str
    parts: Mapping[str, str]

    @property
    def in_english(self) -> str:
        return SENTENCES[self.name] % {part: value or NAMELESS.get(part, "") for part, value in self.parts.items()}

    @property
    def in_language(self) -> str:
        """Return it in the language of the page, or of the mail."""
        named = {part: value or gettext(NAMELESS.get(part, "-")) for part, value in self.parts.items()}
        named |= {part: written(named[part]) for part in NUMBERS & named.keys()}
        if "reason" in named:
            named["reason"] = reasons.told(named["reason"])
        return gettext(SENTENCES[self.name]) % named


def told(evidence: Mapping[str, Any]) -> str:
    """Return the sentence of a piece of evidence in the language of the page; an old one as it was written."""
    name, parts = evidence.get("sentence"), evidence.get("parts")
    return Sentence(name, parts).in_language if name in SENTENCES and parts else str(evidence["said"])
