"""The form and the digest of every secret that Nexus makes. Pure functions; nothing here knows a database.

`nxs_<12 base62 public id>_<43 base62 secret><6 base62 CRC32 of the secret>`: 66 characters, 256 bits. The other
kinds differ in the prefix alone. The public id may be logged, the rest never; only the digest is stored.
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from enum import StrEnum

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6


class Kind(StrEnum):
    DELEGATED = "nxs"
    MANAGEMENT = "nxsa"
    ACCESS = "nxso"
    REFRESH = "nxsr"
    CALENDAR = "nxsc"
    CLIENT = "nxsk"  # of an application; its public id is the client id


FORM = re.compile(r"(nxs|nxsa|nxso|nxsr|nxsc|nxsk)_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
ANYWHERE = re.compile(r"\b(nxs[aorck]?)_([0-9A-Za-z]{12})_[0-9A-Za-z]{49}\b")


@dataclass(frozen=True, slots=True)
class Key:
    """A secret that was just made. `text` exists nowhere else."""

    text: str
    public_id: str
    digest: str

    @property
    def last_four(self) -> str:
        return self.text[-4:]

    def __repr__(self) -> str:
        return f"<Key {self.public_id}>"


def make(kind: Kind, public_id: str = "") -> Key:
    """Make a secret of 256 random bits, under a new public id if none is given."""
    public_id = public_id or new_public_id()
    secret = _random(SECRET_LENGTH)
    text = f"{kind}_{public_id}_{secret}{checksum(secret)}"
    return Key(text, public_id, digest(text))


def new_public_id() -> str:
    return _random(ID_LENGTH)


def digest(text: str) -> str:
    """Return what is stored and looked up: SHA-256 of the whole secret, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def kind_of(text: str) -> Kind | None:
    """Return the kind if the text has the form and its checksum is right; this proves nothing about who made it."""
    match = FORM.fullmatch(text)
    if match is None or checksum(match[3]) != match[4]:
        return None
    return Kind(match[1])


def checksum(secret: str) -> str:
    """Return the CRC32 of the secret part, six base62 digits."""
    return base62(zlib.crc32(secret.encode()), CHECKSUM_LENGTH)


def base62(number: int, length: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits.rjust(length, ALPHABET[0])


def masked(public_id: str, last_four: str, kind: Kind = Kind.DELEGATED) -> str:
    """Return how a secret is shown afterwards."""
    return f"{kind}_{public_id}_…{last_four}"


def redact(text: str) -> str:
    """Replace every secret in the text by its masked form without the last four."""
    return ANYWHERE.sub(r"\1_\2_…", text)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
