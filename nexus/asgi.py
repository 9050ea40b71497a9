"""The only server entry point: the hub and the health endpoints before Django, everything else to Django."""

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")

import django
from django.core.management.base import BaseCommand

django.setup(set_prefix=False)
BaseCommand().check(tags=["security"])  # whatever starts the server: not with a weak key, not with debug pages

from nexus.bounded_http import raise_descriptor_limit  # noqa: E402
from nexus.hub.app import PATHS  # noqa: E402
from nexus.hub.assembly import make_hub  # noqa: E402
from nexus.hub.health import healthz, metrics, readyz  # noqa: E402
from nexus.hub.request import Receive, Scope, Send  # noqa: E402
from nexus.threads import DjangoApplication  # noqa: E402

django_application, hub = DjangoApplication(), make_hub()
# A page makes ten thousand objects and leaves none in a circle: to look for them after each 700 is a tenth of its time.
COLLECT_AFTER = 10_000, 20, 50
OPEN = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1000})
    elif scope["path"] in PATHS:
        await hub(scope, receive, send)
    elif scope["path"] in OPEN:
        await OPEN[scope["path"]](scope, receive, send)
    else:
        await django_application(scope, receive, send)


async def live(receive: Receive, send: Send) -> None:
    await receive()
    gc.set_threshold(*COLLECT_AFTER)
    raise_descriptor_limit()
    await hub.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await hub.stop()
    await send({"type": "lifespan.shutdown.complete"})
