from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from profiles.models import User

P = ParamSpec("P")
R = TypeVar("R")


def written_for(reader: Callable[..., User]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have the mail that a function makes written in the language of this person, whoever causes it."""

    def decorate(make: Callable[P, R]) -> Callable[P, R]:
        @wraps(make)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with reader(*args, **kwargs).in_own_language():
                return make(*args, **kwargs)

        return wrapped

    return decorate
