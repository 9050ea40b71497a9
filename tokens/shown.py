"""How the state of a credential that has generations looks on a page."""

from tokens.models import DelegatedToken

KINDS = {
    DelegatedToken.State.ACTIVE: "ok",
    DelegatedToken.State.ENDING: "warn",
    DelegatedToken.State.PAUSED: "warn",
    DelegatedToken.State.PENDING: "info",
    DelegatedToken.State.OVERLAPPING: "info",
    DelegatedToken.State.REVOKED: "bad",
    DelegatedToken.State.EXPIRED: "quiet",
}


class HasState:
    __slots__ = ()
    state: DelegatedToken.State

    @property
    def kind(self) -> str:
        return KINDS[self.state]

    @property
    def is_over(self) -> bool:
        return self.state in (DelegatedToken.State.REVOKED, DelegatedToken.State.EXPIRED)
