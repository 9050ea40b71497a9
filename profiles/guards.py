from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse

from profiles import confirmation

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def fully_confirmed(view: View[P]) -> View[P]:
    """Let in who has shown, within 10 minutes, all that signing in takes: for what decides who can sign in.

    A POST that comes too late changes nothing: the person is led to the page that it came from.
    """

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not confirmation.is_fully_confirmed(request):
            return confirmation.ask_fully(request, next_url=request.path)
        return view(request, *args, **kwargs)

    return guarded
