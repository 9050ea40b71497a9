import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q

from profiles.encryption import Secret
from profiles.models.servers import Server


class RegistrationQuerySet(models.QuerySet["Registration"]):
    def good(self, now: datetime) -> Self:
        return self.filter(Q(secret_expires_at=None) | Q(secret_expires_at__gt=now))


class Registration(models.Model):
    """How Nexus registered itself at a server's authorization server (RFC 7591), remembered for the next person."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="registrations")
    issuer = models.CharField(max_length=500)
    redirect_uri = models.CharField(max_length=500)
    client_id = models.CharField(max_length=500)
    client_method = models.CharField(max_length=30)
    encrypted_client_secret = models.TextField(blank=True, editable=False)
    client_secret = Secret("encrypted_client_secret")
    secret_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    objects: ClassVar[models.Manager["Registration"]] = RegistrationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["server", "issuer", "redirect_uri"], name="registration_at_issuer")]

    def __str__(self) -> str:
        return f"{self.client_id} at {self.issuer}"
