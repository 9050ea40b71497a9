from django.db import models


class TokenUse(models.Model):
    """How a token was used, over all the time of which calls are told: one row, read instead of its calls."""

    token_public_id = models.CharField(max_length=12, primary_key=True)
    account_id = models.UUIDField()
    owner_id = models.BigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    last_accepted_at = models.DateTimeField(null=True, blank=True)
    last_refused_at = models.DateTimeField(null=True, blank=True)
    accepted = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["account_id"], name="token_use_of_account"),
            models.Index(fields=["last_at"], name="token_use_last_at"),
        ]

    def __str__(self) -> str:
        return f"{self.token_public_id}: {self.accepted} calls"
