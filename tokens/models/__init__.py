from tokens.models.authority import Authority, AuthorityChange, HubProcess
from tokens.models.connections import Connection, OAuthSession
from tokens.models.delegated import AlreadyIssued, DelegatedToken, Issued
from tokens.models.feeds import CalendarFeed
from tokens.models.oauth import AccessToken, Application, DeviceGrant, Grant, IDToken, RefreshToken
from tokens.models.policies import Policy, Rules
from tokens.models.reminders import Reminder
from tokens.models.webhooks import Webhook, WebhookDelivery

__all__ = [
    "AccessToken",
    "AlreadyIssued",
    "Application",
    "Authority",
    "AuthorityChange",
    "CalendarFeed",
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
    "Webhook",
    "WebhookDelivery",
]
