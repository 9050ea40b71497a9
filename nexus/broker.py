"""Celery's queue as files, for the embedded run: Kombu's filesystem transport with an atomic publish.

Kombu opens the final name and writes afterwards; a worker that polls in between reads an empty file and dies with
JSONDecodeError (kombu issue 1551). A rename shows the whole message or nothing.
"""

import os
import time
import uuid
from typing import Any

from celery.worker import state
from kombu.transport import filesystem
from kombu.utils.json import dumps

LONGEST_WAIT = 0.2  # seconds


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        os.makedirs(self.data_folder_out, exist_ok=True)
        final = os.path.join(self.data_folder_out, f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg")
        partial = final.removesuffix(".msg") + ".tmp"
        os.makedirs(self.data_folder_out, mode=0o700, exist_ok=True)  # a command may come before the first start
        with open(partial, "w") as file:
            file.write(dumps(payload))
        os.rename(partial, final)


class Transport(filesystem.Transport):
    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """Wait as Kombu does, but come back at once when the worker was told to end: it would else take seconds."""
        deadline = time.monotonic() + timeout if timeout else None
        while True:
            left = deadline - time.monotonic() if deadline else LONGEST_WAIT
            try:
                super().drain_events(connection, timeout=max(0.001, min(left, LONGEST_WAIT)))
            except TimeoutError:
                if is_ending() or (deadline and time.monotonic() >= deadline):
                    raise
            else:
                return


def is_ending() -> bool:
    return any(code is not None and code is not False for code in (state.should_stop, state.should_terminate))
