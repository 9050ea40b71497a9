"""Secrets that must be read again, encrypted at rest: AES-256-GCM, with keys that rotate (NEXUS_FIELD_KEYS).

Each ciphertext is bound to its place: copied into another row or column, it cannot be read.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import F, Q

VERSION = "v1"
NONCE = 12  # bytes


class Unreadable(Exception):
    """No key here opens this ciphertext, or it was written for another place."""


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    cipher: AESGCM


@lru_cache(maxsize=8)
def _keys(texts: tuple[str, ...]) -> Sequence[Key]:
    return [Key(_derived(text, b"id").hex()[:8], AESGCM(_derived(text, b"key"))) for text in texts]


def _derived(text: str, purpose: bytes) -> bytes:
    """Return 32 bytes of the key's text; it is random, so that no slow derivation is needed."""
    return hashlib.blake2b(text.encode(), digest_size=32, person=b"nexus-field-" + purpose).digest()


def keys() -> Sequence[Key]:
    """Return the keys, the newest first."""
    return _keys(tuple(settings.NEXUS_FIELD_KEYS))


def encrypt(secret: str, place: str) -> str:
    """Return the secret as text that only the same place, and a holder of the newest key, can read."""
    newest, nonce = keys()[0], os.urandom(NONCE)
    sealed = newest.cipher.encrypt(nonce, secret.encode(), place.encode())
    return f"{VERSION}.{newest.id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def decrypt(text: str, place: str) -> str:
    """Return the secret; raise Unreadable."""
    version, _, rest = text.partition(".")
    key_id, _, encoded = rest.partition(".")
    key = next((key for key in keys() if key.id == key_id), None)
    if version != VERSION or key is None:
        raise Unreadable(f"No key of NEXUS_FIELD_KEYS has the id {key_id[:8]}: an older key is missing there.")
    try:
        sealed = base64.b64decode(encoded, altchars=b"-_", validate=True)
        if base64.urlsafe_b64encode(sealed).decode() != encoded:
            raise ValueError("another spelling of the same bytes")
        return key.cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place.encode()).decode()
    except (InvalidTag, ValueError):
        raise Unreadable("A stored secret was altered, or moved to another row.") from None


def is_current(text: str) -> bool:
    """Return True if the newest key wrote it."""
    return text.startswith(f"{VERSION}.{keys()[0].id}.")


class Secret:
    """An attribute that reads and writes plain text, which is stored encrypted in the column named.

    The row needs its primary key first. An empty text is stored as such: there is no secret.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    def __get__(self, row: models.Model | None, model: type[models.Model] | None = None) -> Any:
        if row is None:
            return self
        text = getattr(row, self.column)
        return decrypt(text, place_of(row, self.column)) if text else ""

    def __set__(self, row: models.Model, secret: str) -> None:
        setattr(row, self.column, encrypt(secret, place_of(row, self.column)) if secret else "")


def place_of(row: models.Model, column: str) -> str:
    assert row.pk is not None
    return f"{row._meta.label_lower}.{column}:{row.pk}"


def stored_columns() -> list[tuple[type[models.Model], str]]:
    return [
        (model, attribute.column)
        for model in apps.get_models()
        for parent in model.__mro__
        for attribute in vars(parent).values()
        if isinstance(attribute, Secret)
    ]


def is_readable(text: str) -> bool:
    """Return True if there is a key with the id of the one that wrote it."""
    return any(text.startswith(f"{VERSION}.{key.id}.") for key in keys())


def out_of_reach() -> int:
    """Return how many stored secrets need a key that is no longer there."""
    written = Q()
    for key in keys():
        written |= Q(text__startswith=f"{VERSION}.{key.id}.")
    rows = (model._base_manager.exclude(**{column: ""}).annotate(text=F(column)) for model, column in stored_columns())
    return sum(each.exclude(written).count() for each in rows)


def rewrite_with_newest_key() -> tuple[int, int]:
    """Encrypt with the newest key what an older one wrote; return how many were rewritten, and how many are unreadable.

    It may run beside a working Nexus: what changes meanwhile is left as it became.
    """
    rewritten = unreadable = 0
    for model, column in stored_columns():
        rows = model._base_manager.exclude(**{column: ""}).only("pk", column)
        for row in rows.iterator(chunk_size=500):
            old = getattr(row, column)
            if is_current(old):
                continue
            try:
                new = encrypt(decrypt(old, place_of(row, column)), place_of(row, column))
            except Unreadable:
                unreadable += 1
                continue
            rewritten += model._base_manager.filter(pk=row.pk, **{column: old}).update(**{column: new})
    return rewritten, unreadable
