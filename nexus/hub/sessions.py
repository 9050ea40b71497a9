"""Sessions of the older eras: the id carries what a worker needs to know, signed, so that any worker serves it.

A session belongs to (owner, toolkit), not to the bytes of a token: a rotated token carries on.
"""

import base64
import hashlib
import hmac
import os
import uuid
from typing import NamedTuple

import msgspec
from django.conf import settings

SIGNATURE = 16  # bytes


class Session(NamedTuple):
    owner_id: int
    toolkit: str  # hex
    protocol: str
    client_name: str
    client_version: str
    nonce: str


_decoder = msgspec.json.Decoder(Session)


def _key() -> bytes:
    return hashlib.sha256(b"nexus.hub.session" + settings.SECRET_KEY.encode()).digest()


def open_session(owner_id: int, toolkit_id: uuid.UUID, protocol: str, client_name: str, client_version: str) -> str:
    """Return the id of a new session, in visible ASCII."""
    session = Session(owner_id, toolkit_id.hex, protocol, client_name, client_version, os.urandom(8).hex())
    content = msgspec.json.encode(session)
    return base64.urlsafe_b64encode(_signature(content) + content).decode().rstrip("=")


def session_of(text: str, owner_id: int, toolkit_id: uuid.UUID) -> Session | None:
    """Return the session if we made the id for this owner and toolkit; an id proves nothing about who sends it."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if not hmac.compare_digest(raw[:SIGNATURE], _signature(raw[SIGNATURE:])):
            return None
        session = _decoder.decode(raw[SIGNATURE:])
    except (ValueError, msgspec.DecodeError):
        return None
    return session if (session.owner_id, session.toolkit) == (owner_id, toolkit_id.hex) else None


def _signature(content: bytes) -> bytes:
    return hmac.digest(_key(), content, "sha256")[:SIGNATURE]
