from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request


class NoBearer(BaseAuthentication):
    """Refuses every bearer: a delegated token manages nothing (docs/adr/0005)."""

    def authenticate(self, request: Request) -> None:
        if request.headers.get("Authorization", "").lower().startswith("bearer"):
            raise exceptions.PermissionDenied(
                "A delegated token is for the hub alone; it manages nothing. Sign in to use this address."
            )

    def authenticate_header(self, request: Request) -> str:
        """Make the answer to whoever is not signed in a 401."""
        return "Session"
