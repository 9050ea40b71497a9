"""Answers that show a secret, once."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables


@sensitive_variables("context")
def unkept(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Answer with a page that no cache and no next page learns of."""
    response = render(request, template, context, status=status)
    response["Cache-Control"] = "no-store"
    return response
