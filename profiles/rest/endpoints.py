"""Addresses of the API: each method is one act, and all of them are checked and answered in one place."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from django.http import HttpResponseBase
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.rest import filtering, once, rates
from profiles.rest.acts import Act
from profiles.rest.asking import Asked
from profiles.rest.paging import Keyset, Parts, next_page
from profiles.rest.schema import ActSchema

View = Callable[..., HttpResponseBase]


class Resource(APIView):
    """One address. A method without an act is a 405; an act that no scope covers is refused to every key."""

    acts: ClassVar[dict[str, Act]] = {}
    noun = ""
    scopes: ClassVar[dict[str, str]] = {}  # by method, for keys
    schema = ActSchema()
    is_open = False  # to whoever authenticates by a way of its own

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        _ = request._request.body  # before the CSRF check has it parsed from the stream: once.py compares it
        super().initial(request, *args, **kwargs)
        if (act := self.act_of(request)) is None:
            return  # the method is refused next
        known = [parameter.name for parameter in act.parameters if parameter.location == "query"]
        if act.is_list:
            known += [*filtering.PAGE, *(act.filters.base_filters if act.filters else ())]
        filtering.refuse_unknown(request, known)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Take any Accept where the answer is a file; its format is a parameter."""
        act = self.act_of(request)
        return super().perform_content_negotiation(request, force=force or bool(act and act.media_types))

    def act_of(self, request: Request) -> Act | None:
        method = (request.method or "").lower()
        return self.acts.get("get" if method == "head" else method)

    def answer(self, request: Request, **names: Any) -> Response:
        act, asked = self.act_of(request), Asked(request, timezone.now())
        assert act is not None
        wish = _wish(act, request)
        return once.answer(act, asked, lambda prepared: _do(act, asked, names, wish, prepared), names, wish)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response.headers.setdefault("Cache-Control", "no-store")
        for name, value in rates.headers_of(request).items():
            response.headers[name] = value
        return super().finalize_response(request, response, *args, **kwargs)


def resource(*, authentication: list[Any] | None = None, permissions: list[Any] | None = None, **acts: Act) -> View:
    """Return the view of an address, its acts by method."""
    own: dict[str, Any] = {"acts": acts, "http_method_names": [*acts, *(["head"] if "get" in acts else [])]}
    own |= dict.fromkeys(acts, Resource.answer)
    own |= {"noun": next(iter(acts.values())).noun, "scopes": {name.upper(): act.scope for name, act in acts.items()}}
    if authentication is not None:
        own |= {"authentication_classes": authentication, "is_open": True}
    if permissions is not None:
        own["permission_classes"] = permissions
    made: type[Resource] = type("Resource", (Resource,), own)
    return made.as_view()


def _wish(act: Act, request: Request) -> list[Any]:
    """Return what the body says, checked, as the act takes it; raise ValidationError."""
    if act.takes is None:
        return []
    serializer = act.takes(data=request.data, partial=act.is_partial)
    serializer.is_valid(raise_exception=True)
    return [serializer.validated_data]


@sensitive_variables("found")
def _do(act: Act, asked: Asked, names: dict[str, Any], wish: list[Any], prepared: list[Any]) -> Response:
    found = act.run(asked, *wish, *prepared, **names)
    if isinstance(found, Response | HttpResponseBase):
        return found  # type: ignore[return-value]
    if act.answers is None:
        return Response(status=act.status)
    context = {"now": asked.now, "asked": asked}
    if not act.is_list:
        return Response(act.answers(found, context=context).data, act.status)
    if act.filters and isinstance(found, Parts):
        found = replace(found, rows=filtering.filtered(act.filters, found.rows, asked))
    elif act.filters:
        found = filtering.filtered(act.filters, found, asked)
    rows, cursor = Keyset.asked(asked.request, act.orderings).page(found)
    return Response(
        {
            "next": next_page(asked.request, cursor),
            "results": act.answers(rows, many=True, context=context).data,
        }
    )
