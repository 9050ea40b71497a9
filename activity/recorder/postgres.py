import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from activity.recorder.gathering import Gathering
from activity.recorder.rows import RETRY_FOR, CallRow, NotRecorded
from activity.storing import Store

PATIENCE = RETRY_FOR + 3  # seconds


class PostgresRecorder(Gathering):
    """Stores in a thread of its own, by the same function as the drain."""

    is_drained = False

    def __init__(self, parameters: dict[str, Any]) -> None:
        super().__init__()
        self._store = Store(parameters)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="activity-store")

    async def start(self) -> None:
        """Connect with the first row."""

    async def stop(self) -> None:
        await self._finish()
        await asyncio.to_thread(self._thread.shutdown)
        self._store.close()

    async def write(self, rows: list[CallRow]) -> list[NotRecorded | None]:
        loop = asyncio.get_running_loop()
        stored = await asyncio.wait_for(loop.run_in_executor(self._thread, self._store.store, rows), PATIENCE)
        return [NotRecorded(stored.refused[row.id]) if row.id in stored.refused else None for row in rows]

    _write = write
