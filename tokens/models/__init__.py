from tokens.models.applications import AlreadyRegistered, Application, Registered
from tokens.models.authority import Authority, AuthorityChange, HubProcess
from tokens.models.connections import Connection, OAuthSession
from tokens.models.credentials import Counted, Credentials
from tokens.models.delegated import DelegatedToken
from tokens.models.digests import Digest
from tokens.models.feeds import CalendarFeed
from tokens.models.issued import AlreadyIssued, Issued
from tokens.models.jobs import JobRun
from tokens.models.management_keys import AlreadyMade, ManagementKey
from tokens.models.oauth import AccessToken, DeviceGrant, Grant, IDToken, RefreshToken
from tokens.models.policies import Policy, Rules
from tokens.models.reminders import Dismissal, Reminder
from tokens.models.webhooks import Webhook, WebhookDelivery

__all__ = [
    "AccessToken",
    "AlreadyIssued",
    "AlreadyMade",
    "AlreadyRegistered",
    "Application",
    "Authority",
    "AuthorityChange",
    "CalendarFeed",
    "Connection",
    "Counted",
    "Credentials",
    "DelegatedToken",
    "DeviceGrant",
    "Digest",
    "Dismissal",
    "Grant",
    "HubProcess",
    "IDToken",
    "Issued",
    "JobRun",
    "ManagementKey",
    "OAuthSession",
    "Policy",
    "RefreshToken",
    "Registered",
    "Reminder",
    "Rules",
    "Webhook",
    "WebhookDelivery",
]
