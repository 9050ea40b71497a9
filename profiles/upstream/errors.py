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


class SignInNeeded(UpstreamError):
    """The server refused the request for want of a valid sign-in (401 or 403), so it did not run."""

    def __init__(self, status: int, challenge: str) -> None:
        super().__init__(f"it asks for a sign-in that Nexus does not have (HTTP {status})")
        self.status = status
        self.challenge = challenge
