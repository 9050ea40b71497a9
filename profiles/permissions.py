"""Who may do what in an account: the one table that pages, API, hub and admin ask."""

from enum import Enum, StrEnum

from django.utils.translation import gettext_lazy as _


class Role(StrEnum):
    """From the widest to the narrowest."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    END_USER = "end_user"


ROLE_NAMES = {
    Role.OWNER: _("owner"),
    Role.ADMIN: _("admin"),
    Role.MEMBER: _("member"),
    Role.END_USER: _("end user"),
}


class Act(Enum):
    USE_TOOLKITS = "use a toolkit, issue own tokens for it"
    SEE_ACTIVITY = "see activity, revoke tokens"
    MANAGE_TOOLKITS = "change toolkits, servers, policies"
    AUTHORIZE = "connect, see and end authorizations; with all: those of the organization too, and assign them"
    MANAGE_MEMBERS = "see, invite, change and remove members who are no owners, and assign toolkits to end users"
    MANAGE_OWNERS = "make, change and remove owners, and hand the organization over"
    MANAGE_ACCOUNT = "name the organization, pause and resume it"
    DELETE_ACCOUNT = "delete the organization"


class Reach(Enum):
    NONE = "none"
    OWN = "own or assigned"
    ALL = "all"


def _row(owner: Reach, admin: Reach, member: Reach, end_user: Reach) -> dict[Role, Reach]:
    return dict(zip(Role, (owner, admin, member, end_user), strict=True))


TABLE: dict[Act, dict[Role, Reach]] = {
    Act.USE_TOOLKITS: _row(Reach.ALL, Reach.ALL, Reach.ALL, Reach.OWN),
    Act.SEE_ACTIVITY: _row(Reach.ALL, Reach.ALL, Reach.OWN, Reach.OWN),
    Act.MANAGE_TOOLKITS: _row(Reach.ALL, Reach.ALL, Reach.NONE, Reach.NONE),
    Act.AUTHORIZE: _row(Reach.ALL, Reach.ALL, Reach.OWN, Reach.NONE),
    Act.MANAGE_MEMBERS: _row(Reach.ALL, Reach.ALL, Reach.NONE, Reach.NONE),
    Act.MANAGE_OWNERS: _row(Reach.ALL, Reach.NONE, Reach.NONE, Reach.NONE),
    Act.MANAGE_ACCOUNT: _row(Reach.ALL, Reach.ALL, Reach.NONE, Reach.NONE),
    Act.DELETE_ACCOUNT: _row(Reach.ALL, Reach.NONE, Reach.NONE, Reach.NONE),
}


MACHINE_ROLES = (Role.MEMBER, Role.END_USER)  # nobody confirms who a machine is, so it manages nothing


def roles_with(act: Act, reach: Reach = Reach.ALL) -> list[Role]:
    """Return the roles whose reach for the act is exactly this one."""
    return [role for role, has in TABLE[act].items() if has is reach]


def may_manage(manager: Role | None, *roles: Role) -> bool:
    """Return True if who has the first role may give, change and take all of the others."""
    wanted = {Act.MANAGE_OWNERS if role is Role.OWNER else Act.MANAGE_MEMBERS for role in roles}
    return all(manager in roles_with(act) for act in wanted)


def roles_given_by(manager: Role | None) -> list[Role]:
    return [role for role in Role if may_manage(manager, role)]


def is_wider(role: Role, than: Role) -> bool:
    return list(Role).index(role) < list(Role).index(than)
