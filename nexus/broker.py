"""Celery's queue as files, for the embedded run: Kombu's filesystem transport with an atomic publish.

Kombu opens the final name and writes afterwards; a worker that polls in between reads an empty file and dies with
JSONDecodeError (kombu issue 1551). A rename shows the whole message or nothing.
"""

import os
import time
import uuid
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

LONGEST_WAIT = 0.2  # seconds


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        os.makedirs(self.data_folder_out, exist_ok=True)
        final = os.path.join(self.data_folder_out, f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg")
        partial = final.removesuffix(".msg") + ".tmp"
        with open(partial, "w") as file:
            file.write(dumps(payload))
        os.rename(partial, final)


class Transport(filesystem.Transport):
    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override]
        """Come back often: a worker looks at signals in between, and would else take seconds to end."""
        super().drain_events(connection, timeout=min(timeout, LONGEST_WAIT) if timeout else None)
