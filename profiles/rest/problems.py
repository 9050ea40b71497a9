"""The one shape of an error of the REST API (RFC 9457), and the errors that have a code of their own."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as ModelRefusal
from django.http import Http404
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.settings import api_settings

CODES = {
    400: "invalid", 401: "not_signed_in", 403: "not_allowed", 404: "not_found", 405: "wrong_method",
    406: "not_acceptable", 413: "too_large", 415: "wrong_media_type", 429: "too_many", 503: "not_now",
}  # fmt: skip


class Problem(exceptions.APIException):
    """An error whose code is its own; `said` are further members of its answer."""

    def __init__(self, detail: str, **said: Any) -> None:
        super().__init__(detail)
        self.said = said


class NeedsPerson(Problem):
    """What only a person may do who has just confirmed who they are; `href` is where."""

    status_code = 403
    code = "needs_person"

    def __init__(self, detail: str, path: str) -> None:
        super().__init__(detail, href=f"{settings.NEXUS_BASE_URL}{path}")


class AlreadyIssued(Problem):
    """The request came before, and its secret was shown then; `id` names what it made."""

    status_code = 409
    code = "already_issued"

    def __init__(self, subject_id: str) -> None:
        super().__init__(
            "This request was answered before, and what it made is shown once only. If the secret is lost, revoke it "
            "and send another Idempotency-Key.",
            id=subject_id,
        )


class KeyReused(Problem):
    status_code = 422
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with another request. Use a new one for each request.")


class Conflict(Problem):
    """What cannot be done to the thing as it is now."""

    status_code = 409
    code = "conflict"


class Unreachable(Problem):
    """A server or an address that does not answer as it should, so that nothing was changed."""

    status_code = 422
    code = "unreachable"


class TooLarge(Problem):
    status_code = 413
    code = "too_large"


class ProblemOutput(serializers.Serializer[Any]):
    """RFC 9457. `code` is stable; some codes come with further members, as `href` or `id`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(required=False)
    detail = serializers.CharField()
    request_id = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="By member of the body, or by parameter: what is wrong."
    )


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return application/problem+json with a stable code; None for what nobody foresaw, which is a 500."""
    error = _as_api_exception(error)
    if not isinstance(error, exceptions.APIException):
        return None
    status = error.status_code
    content: dict[str, Any] = {
        "type": f"{settings.NEXUS_BASE_URL}/guide/api/#{_code(error)}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": _code(error),
        "request_id": context["request"].META.get("nexus.request_id", ""),
    }
    if isinstance(error, exceptions.ValidationError):
        content |= {"detail": "Some values cannot be taken.", "errors": _by_member(error.detail)}
    else:
        content |= {"detail": str(error.detail), **getattr(error, "said", {})}
    headers = {"Cache-Control": "no-store"}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return Response(content, status, headers=headers, content_type="application/problem+json")


def _code(error: exceptions.APIException) -> str:
    said = getattr(error.detail, "code", None)
    own = said if said and said != error.default_code else CODES.get(error.status_code, "invalid")
    return str(getattr(error, "code", own))


def _as_api_exception(error: Exception) -> Exception:
    """Return what the models and Django refuse with in the words of the API."""
    if isinstance(error, Http404):
        return exceptions.NotFound("There is nothing here, or it is not yours.")
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    if isinstance(error, RequestDataTooBig):
        return TooLarge("The body is too large: a mebibyte at most.")
    if isinstance(error, ModelRefusal):
        return exceptions.ValidationError(by_member(error))
    return error


def by_member(error: ModelRefusal) -> dict[str, list[str]]:
    """Return what a model or a form refuses by the name that the member has on the wire."""
    found: dict[Any, list[str]] = (
        error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
    )
    return {WIRE_NAMES.get(name, name): texts for name, texts in found.items()}


WIRE_NAMES: dict[Any, str] = {
    NON_FIELD_ERRORS: "other",
    str(api_settings.NON_FIELD_ERRORS_KEY): "other",
    "toolkit": "profile",
    "toolkits": "profiles",
}


def _by_member(detail: Any) -> dict[Any, Any]:
    if not isinstance(detail, dict):
        return {"other": detail}
    return {WIRE_NAMES.get(str(name), str(name)): texts for name, texts in detail.items()}
