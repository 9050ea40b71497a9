class UpstreamError(Exception):
    """A server could not be asked, or its answer could not be used; the text is a sentence for a person."""


class AddressRefused(UpstreamError):
    """The address is one that Nexus does not connect to."""


class Unreachable(UpstreamError):
    """Nothing was sent: no connection could be made."""


class NoAnswer(UpstreamError):
    """The request was sent, and whether it ran is not known."""
