"""Why a call did not go well, in the language of the page: the hub writes it down in English, and briefly."""

import re

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

FIXED = frozenset({
    _("account paused"), _("cap reached"), _("expired"), _("forged requestState"), _("not assigned"),
    _("not in the toolkit"), _("owner gone"), _("paused"), _("revoked"), _("taken out of the toolkit"),
    _("The hub ended before an answer did. Whether the tool ran is not known."),
    _("the client took it back"), _("the client went away"), _("the server answered with an error"),
    _("the stream has ended"), _("the tool reported an error"), _("toolkit deleted"), _("toolkit paused"),
})  # fmt: skip
NAMING = {
    re.compile(r"from an unknown address"): _("from an unknown address"),
    re.compile(r"from (?P<address>[0-9a-f.:]+)"): _("from %(address)s"),
    re.compile(r"names the toolkit “(?P<name>[^”]*)”"): _("names the toolkit “%(name)s”"),
    re.compile(r"names the account “(?P<name>[^”]*)”"): _("names the account “%(name)s”"),
}


def told(reason: str) -> str:
    """Return a reason of the hub's own in the language of the page; what a server said stays as it is."""
    if reason in FIXED:
        return gettext(reason)
    for form, text in NAMING.items():
        if found := form.fullmatch(reason):
            return gettext(text) % found.groupdict()
    return reason
