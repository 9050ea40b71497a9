from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]


def database_down(get_response: Handler) -> Handler:
    return get_response


def time_zone(get_response: Handler) -> Handler:
    return get_response


def signed_in_pages(get_response: Handler) -> Handler:
    return get_response
