from profiles.events import Event
from profiles.models.attempts import Attempts
from profiles.models.people import Account, Member, User
from profiles.models.servers import Server, Tool
from profiles.models.sign_in import SignInLink
from profiles.models.toolkits import FormerAlias, Toolkit, ToolkitServer, ToolkitTool

__all__ = [
    "Account",
    "Attempts",
    "Event",
    "FormerAlias",
    "Member",
    "Server",
    "SignInLink",
    "Tool",
    "Toolkit",
    "ToolkitServer",
    "ToolkitTool",
    "User",
]
