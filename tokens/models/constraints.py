from typing import Any

from django.db import models


class SecondsSince(models.Func):
    """`SecondsSince(a, b)`: seconds from b to a, in functions that a plain SQL shell knows.

    Django's own arithmetic on datetimes calls, on SQLite, a function that only Django's connections have: a dump
    with such a CHECK could not be restored by the sqlite3 shell.
    """

    arity = 2
    output_field = models.FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="(unixepoch(%(expressions)s))", arg_joiner=") - unixepoch(")

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="extract(epoch from (%(expressions)s))", arg_joiner=" - ")
