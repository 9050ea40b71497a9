"""A hub process reduced to its limits: `python -m tests.hub.limited_process SECONDS` asks without a pause, says how often it was granted.

It says “ready” first, and begins when it is sent a line.
"""

import asyncio
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402

from nexus.hub.limits import Limits  # noqa: E402
from nexus.hub.slices import Slices  # noqa: E402
from tests.hub.test_limits import authority  # noqa: E402


async def granted_in(seconds: float) -> int:
    limits = Limits(Slices(settings.REDIS_URL))
    await limits.start()
    until, granted, asking = time.monotonic() + seconds, 0, authority()
    while time.monotonic() < until:
        granted += limits.take(asking) is None
        await asyncio.sleep(0)
    await limits.stop()
    return granted


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{asyncio.run(granted_in(float(sys.argv[1])))}\n")
