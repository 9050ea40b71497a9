from tokens.admin.applications import ApplicationAdmin, ConnectionAdmin, OAuthSessionAdmin
from tokens.admin.delegated import DelegatedTokenAdmin
from tokens.admin.jobs import JobRunAdmin
from tokens.admin.keys import ManagementKeyAdmin
from tokens.admin.mails import DigestAdmin, ReminderAdmin
from tokens.admin.policies import PolicyAdmin
from tokens.admin.webhooks import WebhookAdmin, WebhookDeliveryAdmin

__all__ = [
    "ApplicationAdmin", "ConnectionAdmin", "DelegatedTokenAdmin", "DigestAdmin", "JobRunAdmin", "ManagementKeyAdmin",
    "OAuthSessionAdmin", "PolicyAdmin", "ReminderAdmin", "WebhookAdmin", "WebhookDeliveryAdmin",
]  # fmt: skip
