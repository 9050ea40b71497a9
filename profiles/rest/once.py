"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same request again gets the same answer."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from profiles.models import AnsweredRequest
from profiles.rest.acts import Act
from profiles.rest.asking import Asked
from profiles.rest.problems import AlreadyIssued, KeyReused

HEADER = "Idempotency-Key"
MAX_KEY = 255


@sensitive_variables("response", "text")
def answer(
    act: Act, asked: Asked, do: Callable[[list[Any]], Response], names: dict[str, Any], wish: list[Any]
) -> Response:
    """Return what the act answers; to a create that came before, what it answered then.

    Raise AlreadyIssued where that was a secret, KeyReused where the key came with another request.
    """
    key = _key(asked) if act.is_create else None
    if key is None:
        return do(_prepared(act, asked, names, wish))
    digest = _digest(asked)
    if earlier := AnsweredRequest.objects.answered(asked.name, key, now=asked.now):
        return _again(earlier, digest)
    prepared = _prepared(act, asked, names, wish)
    with transaction.atomic():
        row = AnsweredRequest.objects.begin(asked.name, key, digest, now=asked.now)
        if row.status is not None:
            return _again(row, digest)
        response = do(prepared)
        made = str(response.data.get("id", "")) if act.is_secret else ""
        text = "" if act.is_secret else json.dumps(response.data, cls=JSONEncoder)
        row.keep(status=response.status_code, answer=text, made=made)
    return response


def _prepared(act: Act, asked: Asked, names: dict[str, Any], wish: list[Any]) -> list[Any]:
    return [act.prepare(asked, *wish, **names)] if act.prepare else []


def _again(row: AnsweredRequest, digest: str) -> Response:
    if row.digest != digest:
        raise KeyReused
    if row.made:
        raise AlreadyIssued(row.made)
    return Response(json.loads(row.answer), row.status)


def _key(asked: Asked) -> str | None:
    text = asked.request.headers.get(HEADER)
    if text is None:
        return None
    if not 1 <= len(text) <= MAX_KEY or not text.isascii() or not text.isprintable():
        raise ValidationError({HEADER: [f"Write 1 to {MAX_KEY} plain characters, as of a UUID."]})
    return text


def _digest(asked: Asked) -> str:
    request = asked.request._request
    said = b"\0".join([(request.method or "").encode(), request.path.encode(), request.body])
    return hashlib.sha256(said).hexdigest()
