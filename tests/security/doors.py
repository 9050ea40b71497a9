"""Who gets where: a line for every address of the real URL configuration. What has no line here is denied, and fails."""

from enum import Enum

OWNER, ADMIN, MEMBER, END_USER = "owner", "admin", "member", "end user"
STRANGER, ELSEWHERE, FORMER = "stranger", "admin of another organization", "former member"
STAFF, ANONYMOUS = "staff", "anonymous"
ROLES = (OWNER, ADMIN, MEMBER, END_USER, STRANGER, ELSEWHERE, FORMER, STAFF, ANONYMOUS)

PEOPLE = frozenset(ROLES) - {ANONYMOUS}
HERE = PEOPLE - {MEMBER, END_USER}  # who manages the account shown; strangers manage their own, which they see instead
USERS = frozenset({OWNER, ADMIN, MEMBER, END_USER})  # of the toolkit, which is assigned to the end user
THEIRS = frozenset({OWNER, ADMIN, MEMBER})  # of what belongs to the member, whom owners and admins look after
MINE = frozenset({MEMBER})  # of what the member alone may use
MANAGERS = frozenset({OWNER, ADMIN})
LEADERS = MANAGERS | {ELSEWHERE}  # who manages members of the organization shown
OWNERS = frozenset({OWNER})
INSTANCE = frozenset({STAFF})
NOBODY = frozenset[str]()  # no such method

# Address: who may GET it, who may POST to it. <…> is a thing of the organization Acme.
PORTAL = {
    "": (PEOPLE, NOBODY),
    "toolkits/": (PEOPLE, NOBODY),
    "toolkits/new/": (HERE, HERE),
    "toolkits/<uuid:pk>/": (USERS, NOBODY),
    "toolkits/<uuid:pk>/edit/": (MANAGERS, MANAGERS),
    "toolkits/<uuid:pk>/copy/": (MANAGERS, MANAGERS),
    "toolkits/<uuid:pk>/delete/": (MANAGERS, MANAGERS),
    "toolkits/<uuid:pk>/servers/": (NOBODY, MANAGERS),
    "toolkits/<uuid:pk>/servers/<uuid:server_pk>/tools/": (NOBODY, MANAGERS),
    "toolkits/<uuid:pk>/tools/<int:entry_pk>/": (MANAGERS, MANAGERS),
    "toolkits/<uuid:pk>/approve/": (NOBODY, MANAGERS),
    "toolkits/<uuid:pk>/servers/<uuid:server_pk>/remove/": (NOBODY, MANAGERS),
    "toolkits/<uuid:pk>/pause/": (NOBODY, MANAGERS),
    "toolkits/<uuid:pk>/resume/": (NOBODY, MANAGERS),
    "toolkits/<uuid:pk>/archive/": (MANAGERS, MANAGERS),
    "toolkits/<uuid:pk>/restore/": (NOBODY, MANAGERS),
    "servers/": (PEOPLE, NOBODY),
    "servers/add/": (HERE, HERE),
    "servers/<uuid:pk>/": (USERS, NOBODY),
    "servers/<uuid:pk>/list/": (NOBODY, MANAGERS),
    "servers/<uuid:pk>/edit/": (MANAGERS, MANAGERS),
    "servers/<uuid:pk>/remove/": (MANAGERS, MANAGERS),
    "servers/<uuid:pk>/sign-in/": (MANAGERS, MANAGERS),
    "authorizations/": (PEOPLE, NOBODY),
    "authorizations/callback": (PEOPLE, NOBODY),
    "authorizations/connect/<uuid:pk>/": (THEIRS, THEIRS),
    "authorizations/<uuid:pk>/": (THEIRS, NOBODY),
    "authorizations/<uuid:pk>/visibility/": (NOBODY, MANAGERS),
    "authorizations/<uuid:pk>/toolkits/": (NOBODY, MANAGERS),
    "authorizations/<uuid:pk>/end/": (NOBODY, THEIRS),
    "settings/": (PEOPLE, PEOPLE),
    "settings/theme/": (NOBODY, PEOPLE),
    "settings/account/": (NOBODY, USERS),
    "settings/account/pause/": (NOBODY, HERE),
    "settings/account/resume/": (NOBODY, HERE),
    "settings/notifications/": (PEOPLE, PEOPLE),
    "settings/mail/": (INSTANCE, NOBODY),
    "settings/notifications/<uuid:pk>/": (USERS, USERS),
    "settings/notifications/<uuid:pk>/follow/": (NOBODY, USERS),
    "settings/email/": (PEOPLE, PEOPLE),
    "settings/email/code/": (PEOPLE, PEOPLE),
    "settings/security/": (PEOPLE, NOBODY),
    "settings/security/app/": (PEOPLE, PEOPLE),
    "settings/security/app/remove/": (NOBODY, NOBODY),  # nobody here has one
    "settings/security/codes/": (PEOPLE, PEOPLE),
    "settings/security/passkeys/new/": (PEOPLE, PEOPLE),
    "settings/security/passkeys/<int:pk>/": (NOBODY, NOBODY),  # somebody else's
    "settings/security/passkeys/<int:pk>/remove/": (NOBODY, NOBODY),
    "settings/security/sessions/end/": (NOBODY, PEOPLE),
    "settings/security/sessions/<int:pk>/end/": (NOBODY, NOBODY),
    "settings/security/everything/": (PEOPLE, PEOPLE),
    "settings/delete/": (PEOPLE, PEOPLE),
    "settings/keys/": (PEOPLE, NOBODY),
    "settings/keys/new/": (PEOPLE, PEOPLE),
    "settings/keys/<slug:public_id>/": (THEIRS, NOBODY),
    "settings/keys/<slug:public_id>/replace/": (MINE, MINE),
    "settings/keys/<slug:public_id>/dismiss/": (NOBODY, MINE),
    "settings/keys/<slug:public_id>/revoke/": (THEIRS, THEIRS),
    "settings/calendar/": (PEOPLE, PEOPLE),
    "settings/calendar/revoke/": (NOBODY, PEOPLE),
    "settings/policies/": (HERE, NOBODY),
    "settings/policies/account/": (HERE, HERE),
    "settings/policies/<uuid:pk>/": (MANAGERS, MANAGERS),
    "settings/webhooks/": (HERE, NOBODY),
    "settings/webhooks/new/": (HERE, HERE),
    "settings/webhooks/<uuid:pk>/": (MANAGERS, NOBODY),
    "settings/webhooks/<uuid:pk>/edit/": (MANAGERS, MANAGERS),
    "settings/webhooks/<uuid:pk>/secret/": (MANAGERS, MANAGERS),
    "settings/webhooks/<uuid:pk>/remove/": (MANAGERS, MANAGERS),
    "settings/webhooks/<uuid:pk>/test/": (NOBODY, MANAGERS),
    "settings/webhooks/<uuid:pk>/deliveries/<uuid:delivery_pk>/": (MANAGERS, NOBODY),
    "settings/webhooks/<uuid:pk>/deliveries/<uuid:delivery_pk>/replay/": (NOBODY, MANAGERS),
    "organizations/": (PEOPLE, NOBODY),
    "organizations/new/": (PEOPLE, PEOPLE),
    "organizations/<uuid:pk>/": (MANAGERS, MANAGERS),
    "organizations/<uuid:pk>/leave/": (USERS, USERS),
    "organizations/<uuid:pk>/hand-over/": (OWNERS, OWNERS),
    "organizations/<uuid:pk>/delete/": (OWNERS, OWNERS),
    "members/": (LEADERS, NOBODY),
    "members/invite/": (LEADERS, LEADERS),
    "members/<int:pk>/": (MANAGERS, NOBODY),
    "members/<int:pk>/role/": (NOBODY, MANAGERS),
    "members/<int:pk>/toolkits/": (NOBODY, MANAGERS),
    "members/<int:pk>/remove/": (MANAGERS, MANAGERS),
    "invitations/<uuid:pk>/resend/": (NOBODY, MANAGERS),
    "invitations/<uuid:pk>/cancel/": (NOBODY, MANAGERS),
    "guide/design/": (PEOPLE, NOBODY),
    "guide/webhooks/": (PEOPLE, NOBODY),
    "install/": (PEOPLE, PEOPLE),
    "install/preview/": (NOBODY, PEOPLE),
    "install/moment/": (PEOPLE, NOBODY),
    "install/<uuid:pk>/qr.svg": (USERS, NOBODY),
    "install/live/": (USERS, NOBODY),
    "install/live/stream/": (USERS, NOBODY),
    "tokens/": (PEOPLE, NOBODY),
    "tokens/applications/": (PEOPLE, NOBODY),
    "tokens/applications/<slug:public_id>/": (THEIRS, NOBODY),
    "tokens/applications/<slug:public_id>/revoke/": (THEIRS, THEIRS),
    "tokens/applications/<slug:public_id>/sessions/<int:pk>/end/": (NOBODY, THEIRS),
    "tokens/mine/revoke/": (PEOPLE, PEOPLE),
    "tokens/of/<int:pk>/revoke/": (MANAGERS, MANAGERS),
    "tokens/toolkit/<uuid:pk>/revoke/": (MANAGERS, MANAGERS),
    "tokens/<slug:public_id>/": (THEIRS, NOBODY),
    "tokens/<slug:public_id>/calendar.ics": (THEIRS, NOBODY),
    "tokens/<slug:public_id>/generations/": (THEIRS, NOBODY),
    "tokens/<slug:public_id>/lock/": (NOBODY, THEIRS),
    "tokens/<slug:public_id>/pause/": (NOBODY, THEIRS),
    "tokens/<slug:public_id>/resume/": (NOBODY, THEIRS),
    "tokens/<slug:public_id>/dismiss/": (NOBODY, MINE),
    "tokens/<slug:public_id>/revoke/": (THEIRS, THEIRS),
    "tokens/<slug:public_id>/replace/": (MINE, MINE),
    "applications/": (HERE, NOBODY),
    "applications/new/": (HERE, HERE),
    "applications/<slug:client_id>/": (MANAGERS, NOBODY),
    "applications/<slug:client_id>/edit/": (MANAGERS, MANAGERS),
    "applications/<slug:client_id>/secret/": (MANAGERS, MANAGERS),
    "applications/<slug:client_id>/disable/": (MANAGERS, MANAGERS),
    "applications/<slug:client_id>/enable/": (NOBODY, MANAGERS),
    "applications/<slug:client_id>/remove/": (MANAGERS, MANAGERS),
    "api/v1/docs": (PEOPLE, NOBODY),
    "activity/": (PEOPLE, NOBODY),
    "activity/tail/": (PEOPLE, NOBODY),
    "activity/calls/<uuid:pk>/": (THEIRS, NOBODY),
    "activity/export": (NOBODY, PEOPLE),
    "activity/events/": (PEOPLE, NOBODY),
    "activity/events/export": (NOBODY, PEOPLE),
    "activity/unexpected/<uuid:pk>/fine/": (NOBODY, THEIRS),
    "tokens/<slug:public_id>/activity/": (THEIRS, NOBODY),
    "tokens/<slug:public_id>/tighten/": (THEIRS, THEIRS),
    "toolkits/<uuid:pk>/activity/": (USERS, NOBODY),
    "toolkits/<uuid:pk>/tighten/": (MANAGERS, MANAGERS),
    "accounts/confirm/": (PEOPLE, PEOPLE),
    "accounts/confirm/mail/": (NOBODY, PEOPLE),
    "accounts/confirm/factor/": (NOBODY, PEOPLE),
    "accounts/confirm/passkey/": (NOBODY, PEOPLE),
    "accounts/confirm/code/": (PEOPLE, PEOPLE),
    "accounts/reauthenticate/": (PEOPLE, NOBODY),
    "accounts/email/": (PEOPLE, NOBODY),
    "accounts/password/change/": (PEOPLE, PEOPLE),
    "accounts/password/set/": (PEOPLE, PEOPLE),
}


class Door(Enum):
    """What is not a page of the portal; each has tests of its own beside these."""

    OPEN = "anybody, signed in or not"
    STAFF = "staff of the instance"
    API = "a signed-in person, as JSON"
    BEARER = "a delegated token, which sees and ends itself"


PREFIXES = {
    "accounts/": Door.OPEN,  # signing in, signing up, and the links of mails
    "language/": Door.OPEN,  # pages can be read before anybody has signed in
    "guide/": Door.OPEN,  # errors lead there, and are read in logs
    "tokens/feed/": Door.OPEN,  # calendar programs show the secret in the address
    "api/v1/": Door.API,
    "api/v1/tokens/self": Door.BEARER,
    "api/v1/credentials/revoke": Door.OPEN,  # a report of leaked credentials, which is nobody's act
    "admin/": Door.STAFF,
    "oauth/": Door.OPEN,  # programs say who they are in the form
    "authorize": Door.OPEN,
    "token": Door.OPEN,
    "register": Door.OPEN,
    ".well-known/": Door.OPEN,  # what clients read before anybody has signed in
    "hub/mcp/.well-known/": Door.OPEN,
    "mcp/.well-known/": Door.OPEN,
}


def door_of(path: str) -> Door | None:
    """Return the line of the longest prefix, for what is no page of the portal."""
    if path in PORTAL:
        return None
    whole = [
        prefix for prefix in PREFIXES if path == prefix or (prefix.endswith(("/", "self")) and path.startswith(prefix))
    ]
    return PREFIXES[max(whole, key=len)] if whole else None


def has_a_line(path: str) -> bool:
    return path in PORTAL or door_of(path) is not None
