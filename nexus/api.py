"""REST `/api/v1/`: the apps' endpoints under one address. Who may ask, and what an error looks like, are settings."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import include, path, re_path
from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2
from rest_framework.request import Request
from rest_framework.views import APIView


class Schema(APIView):
    """Show what the API takes and answers, as OpenAPI 3.1."""

    noun = "me"  # for whoever may ask for anything at all
    schema = None
    http_method_names = ["get", "head"]

    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(schema_json(), content_type="application/vnd.oai.openapi+json; version=3.1")


class NothingHere(APIView):
    """Says so, as a problem, to any method."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        self.check_throttles(request)
        raise Http404

    def get(self, request: Request) -> None: ...

    post = put = patch = delete = get


@cache
def schema_json() -> bytes:
    with translation.override(settings.LANGUAGE_CODE):  # it is kept, whoever asks first
        found = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        return bytes(OpenApiJsonRenderer2().render(found))


urlpatterns = [
    path("schema", Schema.as_view()),
    path("", include("profiles.api")),
    path("", include("tokens.api")),
    path("", include("activity.api")),
    re_path("", NothingHere.as_view()),
]
