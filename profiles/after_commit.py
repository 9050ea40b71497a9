"""What is done when a transaction is over, and undoes nothing where it fails: handing tasks to the broker."""

from collections.abc import Callable
from typing import Any

from django.db import transaction


def after_commit(act: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Do it after the commit; a failure is logged, by a name that a partial would not have."""

    def later() -> None:
        act(*args, **options)

    transaction.on_commit(later, robust=True)
