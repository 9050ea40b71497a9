from profiles.events import Event
from profiles.models.accounts import Account
from profiles.models.aliases import FormerAlias
from profiles.models.attempts import Attempts
from profiles.models.authorizations import Authorization, Grant
from profiles.models.entries import ToolkitServer, ToolkitTool
from profiles.models.idempotency import AnsweredRequest
from profiles.models.invitations import Invitation
from profiles.models.members import Member
from profiles.models.notifications import Notifications, ReminderStage
from profiles.models.people import User
from profiles.models.registrations import Registration
from profiles.models.servers import Server
from profiles.models.sign_in import SignInLink
from profiles.models.toolkits import Toolkit
from profiles.models.tools import Tool

__all__ = [
    "Account",
    "AnsweredRequest",
    "Attempts",
    "Authorization",
    "Event",
    "FormerAlias",
    "Grant",
    "Invitation",
    "Member",
    "Notifications",
    "Registration",
    "ReminderStage",
    "Server",
    "SignInLink",
    "Tool",
    "Toolkit",
    "ToolkitServer",
    "ToolkitTool",
    "User",
]
