from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from profiles.access import current_account, own_accounts
from profiles.models import Account
from profiles.permissions import Act, roles_with

THEMES = ("light", "dark")
THEME_COOKIE = "nexus_theme"


Entry = tuple[str | Promise, str, str]  # what it is called, where it leads, its icon


@dataclass(frozen=True, slots=True)
class Item:
    label: str | Promise
    path: str
    icon: str
    is_here: bool = False
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    title: str | Promise
    items: list[Item]


# Paths, not names: the portal's addresses are fixed, and most of them belong to apps above this one.
MAIN = ((_("Dashboard"), "/", "layout-dashboard"),)
TOOLS = (
    (_("Install"), "/install/", "plug-connected"),
    (_("Toolkits"), "/toolkits/", "tools"),
    (_("Servers"), "/servers/", "server-2"),
)
ACCESS = (
    (_("Tokens"), "/tokens/", "key"),
    (_("Authorizations"), "/authorizations/", "lock"),
    (_("Activity"), "/activity/", "activity"),
)
APPLICATIONS = (_("Applications"), "/applications/", "apps")  # for who manages them; for others there is no such page
MEMBERS = (_("Members"), "/members/", "users")  # for who manages those of an organization
REST = ((_("Guide"), "/guide/", "book"), (_("Settings"), "/settings/", "settings"))
# The pages of settings: of the person, and of the account, for who manages it.
OWN = (
    (_("Profile"), "/settings/", "user"),
    (_("Security"), "/settings/security/", "shield-check"),
    (_("Notifications"), "/settings/notifications/", "mail"),
    (_("Calendar"), "/settings/calendar/", "calendar"),
    (_("Management keys"), "/settings/keys/", "key"),
)
MANAGED = (
    (_("Policies"), "/settings/policies/", "clock"),
    (_("Webhooks"), "/settings/webhooks/", "bolt"),
)
STAFF = ((_("Admin"), "/admin/", "shield-check"), (_("Mail"), "/settings/mail/", "mail"))


def portal(request: HttpRequest) -> dict[str, Any]:
    """What every page shows around its content."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    shown: dict[str, Any] = {"theme": theme if theme in THEMES else ""}
    if request.user.is_authenticated:
        account = shown["account"] = _account(request)
        manages = account is not None and account.own_role in roles_with(Act.MANAGE_TOOLKITS)
        shown["accounts"] = own_accounts(request)
        leads = account is not None and account.is_organization and account.own_role in roles_with(Act.MANAGE_MEMBERS)
        shown["navigation"] = navigation(request.path, is_staff=request.user.is_staff, manages=manages, leads=leads)
        if request.path.startswith("/settings/"):
            shown["settings_pages"] = settings_pages(request.path, account.name if account and manages else "")
    return shown


def _account(request: HttpRequest) -> Account | None:
    try:
        return current_account(request)
    except Http404:
        return None


def navigation(here: str, *, is_staff: bool, manages: bool = False, leads: bool = False) -> list[Section]:
    access = (*ACCESS[:2], APPLICATIONS, *ACCESS[2:]) if manages else ACCESS
    access = (*access, MEMBERS) if leads else access
    parts: list[tuple[str | Promise, Sequence[Entry]]] = [
        ("", MAIN),
        (_("Tools"), TOOLS),
        (_("Access"), access),
        ("Nexus", REST),
    ]
    if is_staff:
        parts.append((_("Staff"), STAFF))
    return _sections(here, parts)


def settings_pages(here: str, managed: str) -> list[Section]:
    """Return the pages of settings; those of an account only where its name is given."""
    return _sections(here, [(_("You"), OWN), *([(managed, MANAGED)] if managed else [])])


def _sections(here: str, parts: Sequence[tuple[str | Promise, Sequence[Entry]]]) -> list[Section]:
    """Return what is shown; the longest address that the page lies under is where one is."""
    paths = [path for _, items in parts for _, path, _ in items]
    above = [path for path in paths if here == path or (path != "/" and here.startswith(path))]
    longest = max(above, key=len, default="")
    return [
        Section(title, [Item(label, path, icon, path == longest, path == here) for label, path, icon in items])
        for title, items in parts
    ]
