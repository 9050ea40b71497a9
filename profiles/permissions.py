"""Who may do what in an account: the one table that pages, API, hub and admin ask."""

from enum import Enum, StrEnum


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    END_USER = "end_user"


class Act(Enum):
    USE_TOOLKITS = "use a toolkit, issue own tokens for it"
    SEE_ACTIVITY = "see activity, revoke tokens"
    MANAGE_TOOLKITS = "change toolkits, servers, policies"
    AUTHORIZE = "connect, see and end authorizations; with all: those of the organization too, and assign them"
    MANAGE_MEMBERS = "change members"


class Reach(Enum):
    NONE = "none"
    OWN = "own or assigned"
    ALL = "all"


TABLE: dict[Act, dict[Role, Reach]] = {
    Act.USE_TOOLKITS: {Role.OWNER: Reach.ALL, Role.ADMIN: Reach.ALL, Role.MEMBER: Reach.ALL, Role.END_USER: Reach.OWN},
    Act.SEE_ACTIVITY: {Role.OWNER: Reach.ALL, Role.ADMIN: Reach.ALL, Role.MEMBER: Reach.OWN, Role.END_USER: Reach.OWN},
    Act.MANAGE_TOOLKITS: {
        Role.OWNER: Reach.ALL, Role.ADMIN: Reach.ALL, Role.MEMBER: Reach.NONE, Role.END_USER: Reach.NONE,
    },
    Act.AUTHORIZE: {Role.OWNER: Reach.ALL, Role.ADMIN: Reach.ALL, Role.MEMBER: Reach.OWN, Role.END_USER: Reach.NONE},
    Act.MANAGE_MEMBERS: {
        Role.OWNER: Reach.ALL, Role.ADMIN: Reach.ALL, Role.MEMBER: Reach.NONE, Role.END_USER: Reach.NONE,
    },
}  # fmt: skip


MACHINE_ROLES = (Role.MEMBER, Role.END_USER)  # nobody confirms who a machine is, so it manages nothing


def roles_with(act: Act, reach: Reach = Reach.ALL) -> list[Role]:
    """Return the roles whose reach for the act is exactly this one."""
    return [role for role, has in TABLE[act].items() if has is reach]
