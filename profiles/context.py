from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest

from profiles.access import current_account
from profiles.models import Account

THEMES = ("light", "dark")
THEME_COOKIE = "nexus_theme"


@dataclass(frozen=True, slots=True)
class Item:
    label: str
    path: str
    icon: str
    is_here: bool = False
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    items: list[Item]


# Paths, not names: the portal's addresses are fixed, and most of them belong to apps above this one.
MAIN = (("Dashboard", "/", "layout-dashboard"),)
TOOLS = (
    ("Install", "/install/", "plug-connected"),
    ("Toolkits", "/toolkits/", "tools"),
    ("Servers", "/servers/", "server-2"),
)
ACCESS = (
    ("Tokens", "/tokens/", "key"),
    ("Authorizations", "/authorizations/", "lock"),
    ("Activity", "/activity/", "activity"),
)
REST = (("Guide", "/guide/", "book"), ("Settings", "/settings/", "settings"))
STAFF = (("Admin", "/admin/", "shield-check"), ("Mail", "/settings/mail/", "mail"))


def portal(request: HttpRequest) -> dict[str, Any]:
    """What every page shows around its content."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    shown: dict[str, Any] = {"theme": theme if theme in THEMES else ""}
    if request.user.is_authenticated:
        shown["account"] = _account(request)
        shown["navigation"] = navigation(request.path, is_staff=request.user.is_staff)
    return shown


def _account(request: HttpRequest) -> Account | None:
    try:
        return current_account(request)
    except Http404:
        return None


def navigation(here: str, *, is_staff: bool) -> list[Section]:
    parts = [("", MAIN), ("Tools", TOOLS), ("Access", ACCESS), ("Nexus", REST)]
    if is_staff:
        parts.append(("Staff", STAFF))
    longest = max((path for _, items in parts for _, path, _ in items if here.startswith(path)), key=len, default="")
    return [
        Section(title, [Item(label, path, icon, path == longest, path == here) for label, path, icon in items])
        for title, items in parts
    ]
