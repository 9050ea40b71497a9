"""Django behind ASGI: a request stays on one thread, and threads are used again."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from nexus.threads import KEPT, DjangoApplication, Threads

both = threading.Barrier(KEPT + 2)


@login_not_required
def which(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(threading.get_ident()))


@login_not_required
def at_once(request: HttpRequest) -> HttpResponse:
    both.wait(20)
    return HttpResponse(str(threading.get_ident()))


@login_not_required
async def of_the_loop(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(threading.get_ident()))


urlpatterns = [path("which", which), path("at-once", at_once), path("of-the-loop", of_the_loop)]


@pytest.fixture
def application(settings):
    settings.ROOT_URLCONF = __name__
    return DjangoApplication()


async def ask(application: DjangoApplication, address: str) -> str:
    sent: list[dict] = []
    first = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return first.pop() if first else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": address, "query_string": b"", "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1), "server": ("localhost", 80), "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    await application(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    return b"".join(message.get("body", b"") for message in sent).decode()


async def test_requests_one_after_the_other_share_a_thread_that_is_not_the_loops(application):
    threads = {await ask(application, "/which") for _ in range(5)}
    assert len(threads) == 1
    assert threads != {str(threading.get_ident())}


async def test_requests_at_once_have_a_thread_each_and_so_many_are_kept(application):
    threads = await asyncio.gather(*(ask(application, "/at-once") for _ in range(KEPT + 2)))
    assert len(set(threads)) == KEPT + 2
    assert len(application.threads.resting) == KEPT
    assert await ask(application, "/which") in threads


async def test_a_view_may_be_asynchronous(application):
    assert await ask(application, "/of-the-loop") == str(threading.get_ident())


async def test_a_request_that_breaks_gives_its_thread_back(application):
    with pytest.raises(ValueError, match="only handle ASGI/HTTP"):
        await application({"type": "websocket"}, None, None)
    assert len(application.threads.resting) == 1


def opened():
    """Return this thread, and its connection to the database, open."""
    connection.ensure_connection()
    return threading.current_thread(), connection._connections[connection._alias]


@pytest.mark.django_db(transaction=True)
async def test_a_thread_that_is_not_kept_closes_its_connection():
    async with Threads(kept=0).one():
        thread, its_connection = await sync_to_async(opened)()
        assert its_connection.connection is not None
    await asyncio.to_thread(thread.join, 20)
    assert its_connection.connection is None
