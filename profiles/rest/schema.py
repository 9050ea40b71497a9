"""What the OpenAPI schema says of an act, all of it taken from the act itself."""

from http import HTTPStatus
from inspect import cleandoc
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from profiles.rest import filtering
from profiles.rest.acts import Act, Input
from profiles.rest.paging import LIMIT, MAX_LIMIT
from profiles.rest.problems import ProblemOutput

PROBLEMS = {
    400: "A value cannot be taken; `errors` says which.",
    401: "Nobody is signed in, or the key is not valid.",
    403: "Signed in, and not allowed: role, scope, or a person is needed.",
    404: "There is nothing here, or it is not yours.",
    406: "The answer is JSON only.",
    409: "It cannot be done to the thing as it is now; or the request came before and its secret was shown then.",
    413: "The body is too large.",
    415: "The body must be application/json.",
    422: "The Idempotency-Key came with another request, or a server does not answer as it should.",
    429: "Too many requests in a minute; wait as long as Retry-After says.",
    503: "Not now; nothing was changed.",
}
ALWAYS = (400, 401, 403, 406, 429, 503)
PROBLEM = "application/problem+json"


class Page:
    """The form of a page of a list."""

    def get_paginated_response_schema(self, rows: dict[str, Any]) -> dict[str, Any]:
        following = {"type": ["string", "null"], "format": "uri", "description": "The address of the next page."}
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": following, "results": rows},
        }


class ActSchema(AutoSchema):
    @property
    def resource(self) -> Any:
        return self.view

    @property
    def act(self) -> Act:
        found: Act = self.resource.acts[self.method.lower()]
        return found

    def get_operation_id(self) -> str:
        return self.act.name

    def get_tags(self) -> list[str]:
        return [self.act.noun]

    def get_description(self) -> str:  # type: ignore[override]
        return cleandoc(self.act.run.__doc__ or "")

    def get_summary(self) -> str:
        words = self.act.name.replace("_", " ")
        return f"{words[0].upper()}{words[1:]}"

    def get_auth(self) -> list[dict[str, list[str]]]:
        if self.resource.is_open:
            return [{"token": []}] if self.view.authentication_classes[0].__name__ == "TokenItself" else []
        return [{"key": [self.act.scope]}, {"session": []}]

    def get_request_serializer(self) -> Any:
        return self.act.takes

    def get_response_serializers(self) -> Any:
        if self.act.media_types:
            file = OpenApiResponse(OpenApiTypes.STR, description="The file.")
            return {(self.act.status, each): file for each in self.act.media_types}
        return {self.act.status: self.act.answers or OpenApiResponse(description="Done.")}

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        self.resolve_serializer(ProblemOutput(), "response")
        refused = {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in self._problems()}
        return {**super()._get_response_bodies(direction), **refused}

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name.removesuffix('Output')}Page"

    def _problems(self) -> list[int]:
        act = self.act
        named = [404] if "{" in self.path or act.takes or act.parameters else []
        bodied = [413, 415] if act.takes else []
        repeated = [409, 422] if act.is_create else []
        return sorted({*ALWAYS, *named, *bodied, *repeated, *act.problems})

    def get_override_parameters(self) -> list[Any]:
        act = self.act
        found: list[OpenApiParameter] = list(act.parameters)
        if act.filters:
            found += filtering.parameters(act.filters)
        if act.is_list:
            found += _of_pages(act.orderings)
        if act.is_create:
            found.append(IDEMPOTENCY_KEY)
        return found

    def _is_list_view(self, serializer: Any = None) -> bool:
        return bool(self.act.is_list) and not isinstance(serializer, ProblemOutput)

    def _get_paginator(self) -> Page | None:
        return Page() if self.act.is_list else None

    def _get_pagination_parameters(self) -> list[Any]:
        return []

    def _get_filter_parameters(self) -> list[Any]:
        return []


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}, "header",
    description="The same request with the same key is done once; later ones get its answer, for 24 hours.",
)  # fmt: skip


def _of_pages(orderings: tuple[str, ...]) -> list[OpenApiParameter]:
    return [
        OpenApiParameter("cursor", str, description="Where the page begins, as `next` of the page before says."),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT},
            description="Rows a page.",
        ),
        OpenApiParameter("ordering", str, enum=orderings, default=orderings[0]),
    ]


def complete(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Say of every body that it has no other members, and of every refusal what it looks like."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Input"):
            schema["additionalProperties"] = False
            if schema.get("description") == Input.__doc__:
                del schema["description"]
    result["components"]["responses"] = {_name(status): _response(status) for status in PROBLEMS}
    return result


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _response(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemOutput"}
    headers = {"Retry-After": {"schema": {"type": "string"}}} if status in (429, 503) else {}
    return {"description": PROBLEMS[status], "headers": headers, "content": {PROBLEM: {"schema": schema}}}
