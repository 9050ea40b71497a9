from typing import Any

from django.utils import timezone
from rest_framework import serializers

from profiles.rest.acts import Input, Moment
from tokens.models import DelegatedToken, Issued


class TokenOutput(serializers.Serializer[Any]):
    """A token as it is shown: the public id names it, the secret is not there to be shown."""

    id = serializers.CharField(source="public_id")
    masked = serializers.CharField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    profile = serializers.CharField(source="toolkit.alias")
    profile_id = serializers.UUIDField(source="toolkit_id")
    account = serializers.UUIDField(source="account_id")
    owner = serializers.CharField(source="owner.email")
    generation = serializers.IntegerField()
    issued_at = Moment()
    expires_at = Moment()
    retires_at = Moment(allow_null=True, help_text="When the overlap with its successor ends.")
    last_used_at = Moment(allow_null=True)
    paused_at = Moment(allow_null=True)
    revoked_at = Moment(allow_null=True)
    revoke_reason = serializers.CharField(allow_blank=True)
    revoke_note = serializers.CharField(allow_blank=True)
    tools = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="None: all of its toolkit.")
    is_read_only = serializers.BooleanField()
    networks = serializers.ListField(child=serializers.CharField())
    call_cap = serializers.IntegerField(allow_null=True)
    acted_by = serializers.CharField(help_text="The applications that exchanged it; empty where a person made it.")

    def get_state(self, token: DelegatedToken) -> str:
        return token.state(self.context.get("now") or timezone.now()).value


class IssuedOutput(TokenOutput):
    """A token that was just issued. Nothing shows its secret again."""

    token = serializers.CharField(help_text="The secret, this once.")
    mcp_url = serializers.CharField()

    def to_representation(self, issued: Issued) -> dict[str, Any]:
        shown = TokenOutput(issued.token, context=self.context).data
        return {**shown, "token": issued.key.text, "mcp_url": issued.token.toolkit.mcp_url}


class RevokeInput(Input):
    reason = serializers.ChoiceField(choices=DelegatedToken.Reason.choices, default=DelegatedToken.Reason.UNNEEDED)
    note = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
