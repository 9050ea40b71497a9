from tokens.models.authority import Authority, AuthorityChange, HubProcess
from tokens.models.connections import Connection, OAuthSession
from tokens.models.delegated import AlreadyIssued, DelegatedToken, Issued
from tokens.models.digests import Digest
from tokens.models.jobs import JobRun
from tokens.models.oauth import AccessToken, Application, DeviceGrant, Grant, IDToken, RefreshToken
from tokens.models.policies import Policy, Rules
from tokens.models.reminders import Dismissal, Reminder

__all__ = [
    "AccessToken",
    "AlreadyIssued",
    "Application",
    "Authority",
    "AuthorityChange",
    "Connection",
    "DelegatedToken",
    "DeviceGrant",
    "Digest",
    "Dismissal",
    "Grant",
    "HubProcess",
    "IDToken",
    "Issued",
    "JobRun",
    "OAuthSession",
    "Policy",
    "RefreshToken",
    "Reminder",
    "Rules",
]
