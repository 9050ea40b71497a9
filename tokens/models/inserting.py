"""A new row by SQL that is put together once: Django does it anew for each, in the time that all else of it takes."""

from functools import cache
from typing import Any

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault


def insert(row: models.Model) -> None:
    """Write a new row, as `save(force_insert=True)` does where no signal is listened to.

    What the database fills in is not read back, but when it is asked for, as of a deferred field.
    """
    fields = [each for each in row._meta.concrete_fields if not each.primary_key]
    filled_in = {each.attname for each in fields if isinstance(vars(row).get(each.attname), DatabaseDefault)}
    given = [each for each in fields if each.attname not in filled_in]
    values = [each.get_db_prep_save(each.pre_save(row, add=True), connection) for each in given]
    with connection.cursor() as cursor:
        cursor.execute(_statement(type(row), tuple(each.column for each in given)), values)
        (row.pk,) = cursor.fetchone()
    for name in filled_in:
        del vars(row)[name]
    row._state.adding, row._state.db = False, connection.alias


@cache
def _statement(model: type[models.Model], columns: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    key: Any = model._meta.pk
    names, marks = ", ".join(map(quote, columns)), ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({marks}) RETURNING {quote(key.column)}"  # noqa: S608
