class UpstreamError(Exception):
    """A server could not be asked, or its answer could not be used; the text is a sentence for a person."""


class AddressRefused(UpstreamError):
    """The address is one that Nexus does not connect to."""


class Busy(UpstreamError):
    """Nothing was sent: as many requests as the server may have at once are under way."""


class Unreachable(UpstreamError):
    """Nothing was sent: no connection could be made."""


class NoAnswer(UpstreamError):
    """The request was sent, and whether it ran is not known."""


class NotConnected(UpstreamError):
    """The server wants a sign-in, and nothing at hand signs this person in; the text has their link."""


class CredentialRefused(UpstreamError):
    """The server answered 401 or 403, so the request did not run. `challenge` is its WWW-Authenticate."""

    def __init__(self, status: int, challenge: str = "", text: str = "") -> None:
        super().__init__(text or f"it asks for a sign-in, or does not take the one that it was given (HTTP {status})")
        self.status = status
        self.challenge = challenge


class SignInFailed(UpstreamError):
    """Signing in by OAuth cannot begin or go on."""


class GrantRefused(SignInFailed):
    """The authorization server takes this grant, or this client, no longer: only a new sign-in helps."""

    def __init__(self, text: str, *, is_about_client: bool = False) -> None:
        super().__init__(text)
        self.is_about_client = is_about_client
