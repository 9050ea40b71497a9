"""What the issue of a token comes to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokens import keys

if TYPE_CHECKING:
    from tokens.models.delegated import DelegatedToken


class AlreadyIssued(Exception):
    """The same request came twice; its first arrival issued this token, and the secret was shown then."""

    def __init__(self, token: "DelegatedToken") -> None:
        super().__init__(f"This request has already issued {token.masked}.")
        self.token = token


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was just issued, and its secret: this object is the only place the secret is in."""

    token: "DelegatedToken"
    key: keys.Key
