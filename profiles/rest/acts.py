"""What a method of an address does, in one declaration: its scope, what it takes, what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django_filters import FilterSet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from profiles.forms import PLAIN_LINE


class Input(serializers.Serializer[Any]):
    """The members of a body. One that is not known is refused, so that nothing is asked for in vain."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            hint = f"Known here: {', '.join(self.fields)}."
            raise serializers.ValidationError(
                {name[:80]: [f"This is no member of this body. {hint}"] for name in unknown}
            )
        return super().to_internal_value(data)


@dataclass(frozen=True, slots=True)
class Act:
    """One method of one address. The docstring of `run` is its description in the schema."""

    run: Callable[..., Any]
    scope: str
    answers: type[serializers.Serializer[Any]] | None = None
    takes: type[serializers.Serializer[Any]] | None = None
    status: int = 200
    is_list: bool = False
    filters: type[FilterSet] | None = None
    orderings: tuple[str, ...] = ()
    parameters: tuple[OpenApiParameter, ...] = field(default=())
    is_partial: bool = False
    is_create: bool = False  # heeds Idempotency-Key
    is_secret: bool = False  # answers with what is shown once
    prepare: Callable[..., Any] | None = None  # what takes long, outside the transaction of a create
    media_types: tuple[str, ...] = ()  # of an answer that is a file
    problems: tuple[int, ...] = ()  # statuses besides those that every act may have

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def noun(self) -> str:
        return self.scope.partition(":")[0]


Wrapped = Callable[[Callable[..., Any]], Act]


def reads(scope: str, answers: type[serializers.Serializer[Any]], **how: Any) -> Wrapped:
    return lambda run: Act(run, scope, answers, **how)


def sends(scope: str, *media_types: str, **how: Any) -> Wrapped:
    """Declare an act that answers with a file."""
    return lambda run: Act(run, scope, media_types=media_types, **how)


def lists(
    scope: str, answers: type[serializers.Serializer[Any]], *, orderings: tuple[str, ...],
    filters: type[FilterSet] | None = None,
) -> Wrapped:  # fmt: skip
    """Declare an act that returns a queryset; it is filtered, cut into pages and serialized."""
    return lambda run: Act(run, scope, answers, is_list=True, filters=filters, orderings=orderings)


def writes(
    scope: str,
    answers: type[serializers.Serializer[Any]] | None,
    takes: type[serializers.Serializer[Any]] | None = None,
    **how: Any,
) -> Wrapped:
    """Declare an act that changes something; without an answer it is a 204."""
    return lambda run: Act(run, scope, answers, takes, **{"status": 200 if answers else 204, **how})


def changes(
    scope: str, answers: type[serializers.Serializer[Any]], takes: type[serializers.Serializer[Any]], **how: Any
) -> Wrapped:
    """Declare a partial update: what the body does not say stays."""
    return lambda run: Act(run, scope, answers, takes, is_partial=True, **how)


def creates(
    scope: str, answers: type[serializers.Serializer[Any]], takes: type[serializers.Serializer[Any]], **how: Any
) -> Wrapped:
    return lambda run: Act(run, scope, answers, takes, status=201, is_create=True, **how)


class Moment(serializers.DateTimeField):
    """A moment with its offset: what is said without one means something else to everybody."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise serializers.ValidationError("Say the offset too, as in 2027-01-31T17:30:00Z.")
        try:
            return super().enforce_timezone(value)
        except OverflowError:
            raise serializers.ValidationError("This moment is out of all bounds.") from None


class Line(serializers.CharField):
    """Text on one line, in plain characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(PLAIN_LINE)


class Nothing(Input):
    """A body without members."""
