"""The one shape of an error of the REST API (RFC 9457)."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

CODES = {
    400: "invalid", 401: "not_signed_in", 403: "not_allowed", 404: "not_found", 405: "wrong_method",
    406: "not_acceptable", 415: "wrong_media_type", 429: "too_many",
}  # fmt: skip


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return application/problem+json with a stable code; None for what nobody foresaw, which is a 500."""
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is nothing here, or it is not yours.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    status, request = error.status_code, context["request"]
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": CODES.get(status, "invalid"),
        "request_id": request.META.get("nexus.request_id", ""),
    }
    if isinstance(error, exceptions.ValidationError):
        content |= {"detail": "Some values cannot be taken.", "errors": error.detail}
    else:
        content["detail"] = str(error.detail)
    headers = {"Cache-Control": "no-store"}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return Response(content, status, headers=headers, content_type="application/problem+json")
