from rest_framework import serializers

from tokens.models import DelegatedToken


class TokenOutput(serializers.Serializer[DelegatedToken]):
    """A token as it is shown: the public id names it, the secret is not there to be shown."""

    id = serializers.CharField(source="public_id")
    masked = serializers.CharField()
    name = serializers.CharField()
    state = serializers.SerializerMethodField()
    profile = serializers.CharField(source="toolkit.alias")
    profile_id = serializers.UUIDField(source="toolkit.pk")
    account = serializers.UUIDField(source="account.pk")
    owner = serializers.CharField(source="owner.email")
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoke_reason = serializers.CharField(allow_blank=True)
    revoke_note = serializers.CharField(allow_blank=True)

    def get_state(self, token: DelegatedToken) -> str:
        return token.state(self.context["now"]).value
