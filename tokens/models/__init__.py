from tokens.models.authority import Authority, AuthorityChange, HubProcess
from tokens.models.connections import Connection, OAuthSession
from tokens.models.delegated import DelegatedToken
from tokens.models.issued import AlreadyIssued, Issued
from tokens.models.oauth import AccessToken, Application, DeviceGrant, Grant, IDToken, RefreshToken
from tokens.models.policies import Policy, Rules
from tokens.models.reminders import Reminder

__all__ = [
    "AccessToken",
    "AlreadyIssued",
    "Application",
    "Authority",
    "AuthorityChange",
    "Connection",
    "DelegatedToken",
    "DeviceGrant",
    "Grant",
    "HubProcess",
    "IDToken",
    "Issued",
    "OAuthSession",
    "Policy",
    "RefreshToken",
    "Reminder",
    "Rules",
]
