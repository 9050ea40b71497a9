"""Browsers in which a person is signed in: which, from where, when last, and ending them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from profiles.events import Action, Actor, Event
from profiles.models import User

NOTED_EVERY = timedelta(minutes=5)
KEY = "seen"  # in the session: under which key, and when, it was last noted
Handler = Callable[[HttpRequest], HttpResponse]

# The first that fits. Browsers name those they descend from, so the specific come before the general.
BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/|FxiOS", "Firefox"),
            ("Chrome/|CriOS|Chromium", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
SYSTEMS = (("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("CrOS", "ChromeOS"),
           ("Windows", "Windows"), ("Mac OS X|Macintosh", gettext_lazy("a Mac")), ("Linux", "Linux"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Browser:
    """One session, as it is shown."""

    pk: int
    device: str
    agent: str
    address: str
    began_at: datetime
    seen_at: datetime
    is_this: bool

    @property
    def is_hand_held(self) -> bool:
        return any(name in self.device for name in ("iPhone", "iPad", "Android"))


def device_of(agent: str) -> str:
    """Return a User-Agent in plain words, as in “Firefox on Windows”."""
    browser = _first(BROWSERS, agent) or _("Another program")
    system = _first(SYSTEMS, agent)
    return _("%(browser)s on %(system)s") % {"browser": browser, "system": system} if system else browser


def _first(names: Sequence[tuple[str, str | Promise]], agent: str) -> str:
    return next((str(name) for pattern, name in names if re.search(pattern, agent)), "")


def begin(request: HttpRequest, *, now: datetime) -> None:
    """Mark the session that has just begun, so that it is noted when it is used."""
    request.session[KEY] = [request.session.session_key, now.timestamp()]


def seen(get_response: Handler) -> Handler:
    """Note at most every 5 minutes where a session is used from; and its new key as soon as it has one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        # Who brings no session is not asked for one: the answer would vary with a cookie then.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and (mark := request.session.get(KEY)):
            _note(request, *mark, now=timezone.now())
        return get_response(request)

    return middleware


def _note(request: HttpRequest, key: str, at: float, *, now: datetime) -> None:
    session = request.session
    last = datetime.fromtimestamp(at, tz=UTC)
    if (key == session.session_key and now - last < NOTED_EVERY) or not request.user.is_authenticated:
        return
    UserSession.objects.filter(session_key=key, user=request.user.pk).update(
        session_key=session.session_key,
        ip=request.META["REMOTE_ADDR"],
        user_agent=request.headers.get("User-Agent", "")[:200],
        last_seen_at=now,
    )
    begin(request, now=now)


def of(request: HttpRequest, user: User, *, now: datetime) -> list[Browser]:
    """Return the sessions that still stand: this one first, then the one used last."""
    here = request.session.session_key
    found = [_shown(each, here) for each in _living(user, now)]
    return sorted(found, key=lambda each: (not each.is_this, -each.seen_at.timestamp()))


def _living(user: User, now: datetime) -> list[UserSession]:
    mine = list(UserSession.objects.filter(user=user))
    keys = [each.session_key for each in mine]
    living = set(Session.objects.filter(session_key__in=keys, expire_date__gt=now).values_list("pk", flat=True))
    return [each for each in mine if each.session_key in living]


def _shown(each: UserSession, here: str | None) -> Browser:
    return Browser(
        each.pk, device_of(each.user_agent), each.user_agent, each.ip, each.created_at, each.last_seen_at,
        is_this=each.session_key == here,
    )  # fmt: skip


def end(user: User, pk: int, *, by: Actor, now: datetime) -> str | None:
    """Sign the person out in one browser, and return which it was; None if there is no such session of theirs."""
    found = UserSession.objects.filter(user=user, pk=pk).first()
    if found is None:
        return None
    _end([found], user, by=by, now=now)
    return device_of(found.user_agent)


def end_others(user: User, keep: str | None, *, by: Actor, now: datetime) -> int:
    """Sign the person out everywhere but in the session of this key; return in how many browsers."""
    others = [each for each in _living(user, now) if each.session_key != keep]
    if others:
        _end(others, user, by=by, now=now)
    return len(others)


def _end(sessions: list[UserSession], user: User, *, by: Actor, now: datetime) -> None:
    with translation.override(settings.LANGUAGE_CODE):  # what is written down is in one language
        devices = [device_of(each.user_agent) for each in sessions][:20]
    with transaction.atomic():
        Session.objects.filter(session_key__in=[each.session_key for each in sessions]).delete()
        UserSession.objects.filter(pk__in=[each.pk for each in sessions]).delete()
        Event.record(Action.SESSIONS_ENDED, by=by, now=now, subject=user, before={"devices": devices})
