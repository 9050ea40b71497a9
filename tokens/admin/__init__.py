from tokens.admin.applications import ApplicationAdmin, ConnectionAdmin, OAuthSessionAdmin
from tokens.admin.delegated import DelegatedTokenAdmin, ReminderAdmin

__all__ = ["ApplicationAdmin", "ConnectionAdmin", "DelegatedTokenAdmin", "OAuthSessionAdmin", "ReminderAdmin"]
