"""Confirming who one is, within the last 10 minutes: asked before new authority is made.

allauth's own check is not enough: it passes whoever has neither a password nor a second factor.
"""

import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import clear_authentication_records, record_authentication
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme

from profiles import factors
from profiles.access import signed_in
from profiles.events import Action, Actor, Event
from profiles.models import Attempts

FRESH_FOR = timedelta(minutes=10)
CODE_LIFE = timedelta(minutes=10)
CODE_LENGTH = 8
CODE_ALPHABET = "".join(sorted(set(string.ascii_uppercase + string.digits) - set("AEIOU01L5S8B2Z")))
ATTEMPTS = 5  # wrong passwords and codes together, per person
MAILS = 3  # codes, per person
CODE_KEY = "confirmation_code"
SECOND = "mfa"  # allauth's word for a second factor in its records
FORMS_KEY = "kept_forms"
NEVER_KEPT = {"csrfmiddlewaretoken", "password", "secret", "token", "code"}


def is_confirmed(request: HttpRequest) -> bool:
    """Return True if the newest authentication of this session, of any kind, is at most 10 minutes old."""
    return _is_fresh(get_authentication_records(request, signed_in(request)))


def is_fully_confirmed(request: HttpRequest) -> bool:
    """Return True if that authentication was as strong as signing in: whoever has second factors has used one.

    Asked before what decides who can sign in is changed (ASVS 5.0, 7.5.1).
    """
    user = signed_in(request)
    records = get_authentication_records(request, user)
    if factors.has_second(user):
        records = [record for record in records if record["method"] == SECOND]
    return _is_fresh(records)


def _is_fresh(records: list[dict[str, Any]]) -> bool:
    newest = max((float(record["at"]) for record in records), default=0.0)
    return timedelta(0) <= timezone.now() - datetime.fromtimestamp(newest, tz=UTC) <= FRESH_FOR


def ask(request: HttpRequest, *, next_url: str) -> HttpResponse:
    """Send the person to the confirmation page, and back to this address of the portal afterwards."""
    return HttpResponseRedirect(f"{reverse('confirm')}?{urlencode({'next': next_url})}", status=303)


def ask_fully(request: HttpRequest, *, next_url: str) -> HttpResponse:
    """Send the person to the confirmation page for what decides who can sign in."""
    way = urlencode({"next": next_url, "full": "1"})
    return HttpResponseRedirect(f"{reverse('confirm')}?{way}", status=303)


def wants_full(request: HttpRequest) -> bool:
    """Return True if the person was asked by ask_fully() and has second factors: a password alone is not enough."""
    asked = request.POST.get("full") or request.GET.get("full")
    return bool(asked) and factors.has_second(signed_in(request))


def forget(request: HttpRequest) -> None:
    """Let nothing that was shown before a factor or an address went count from now on."""
    clear_authentication_records(request)


def way_back(request: HttpRequest) -> str:
    """Return where the person wanted to go, if that is a page of this portal; else the dashboard."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None, require_https=request.is_secure())
    return wanted if is_ours else "/"


def keep_form(request: HttpRequest, name: str, data: Mapping[str, str]) -> None:
    """Keep what the person typed until they are back; never a secret."""
    pairs = data.lists() if isinstance(data, QueryDict) else [(key, [value]) for key, value in data.items()]
    kept = [(key, values) for key, values in pairs if not NEVER_KEPT & set(key.lower().split("_"))]
    request.session[FORMS_KEY] = {**request.session.get(FORMS_KEY, {}), name: urlencode(kept, doseq=True)}


def take_form(request: HttpRequest, name: str) -> QueryDict | None:
    """Return what was kept under this name, once."""
    forms = dict(request.session.get(FORMS_KEY, {}))
    text = forms.pop(name, None)
    if text is None:
        return None
    request.session[FORMS_KEY] = forms
    return QueryDict(text)


def may_try(request: HttpRequest, *, now: datetime) -> bool:
    """Count an attempt before it is looked at; return False when there were too many."""
    return Attempts.objects.take(f"confirm-try:{signed_in(request).pk}", ATTEMPTS, now=now)


def may_mail(request: HttpRequest, *, now: datetime) -> bool:
    return Attempts.objects.take(f"confirm-mail:{signed_in(request).pk}", MAILS, now=now)


def random_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def plain_code(typed: str) -> str:
    """Return a mailed code as it was made, however it was typed."""
    return "".join(typed.split()).replace("-", "").upper()


def new_code(request: HttpRequest, *, now: datetime) -> str:
    """Return a code for this session; only its keyed digest is kept."""
    code = random_code()
    request.session[CODE_KEY] = {"digest": _digest(request, code), "until": (now + CODE_LIFE).timestamp()}
    return code


def use_code(request: HttpRequest, code: str, *, now: datetime) -> bool:
    """Return True if this is the code that was mailed; it is good once."""
    kept = request.session.get(CODE_KEY)
    if not kept or now.timestamp() >= kept["until"]:
        return False
    if not constant_time_compare(kept["digest"], _digest(request, code)):
        return False
    del request.session[CODE_KEY]
    return True


def _digest(request: HttpRequest, code: str) -> str:
    text = f"{signed_in(request).pk}:{plain_code(code)}"
    return salted_hmac("profiles.confirmation", text, algorithm="sha256").hexdigest()


def succeed(request: HttpRequest, *, method: str, factor: str | None = None, now: datetime) -> None:
    """Note the confirmation in this session, under a new session key; the factor is the kind of a second one."""
    user = signed_in(request)
    Attempts.objects.forget(f"confirm-try:{user.pk}")
    request.session.cycle_key()
    record_authentication(request, user, method, type=factor, reauthenticated=True)
    Event.record(
        Action.CONFIRMED, by=Actor.from_request(request), now=now, subject=user, after={"method": factor or method}
    )


def fail(request: HttpRequest, *, method: str, now: datetime) -> None:
    user = signed_in(request)
    Event.record(
        Action.SIGN_IN_FAILED, by=Actor.from_request(request), now=now, subject=user, after={"method": method},
        reason="confirmation",
    )  # fmt: skip
