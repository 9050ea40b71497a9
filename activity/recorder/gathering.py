import asyncio
import logging
from typing import NamedTuple

from activity.recorder.rows import CallRow, NotRecorded

logger = logging.getLogger("nexus.activity")


class Waiting(NamedTuple):
    row: CallRow
    done: "asyncio.Future[None]"
    is_end: bool = False


class Gathering:
    """Writes together what has gathered while the write before was under way."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    def record(self, row: CallRow) -> "asyncio.Future[None]":
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(row, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all())
        return done

    complete = record  # the store knows a row by its id

    async def _finish(self) -> None:
        if self._task:
            await self._task

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await self._write([one.row for one in batch])
            except Exception as error:  # noqa: BLE001  whatever it is, nobody is answered without a row
                logger.error("calls could not be written: %s: %s", type(error).__name__, error)
                results = [NotRecorded(type(error).__name__)] * len(batch)
            for one, problem in zip(batch, results, strict=True):
                settle(one, problem)

    async def _write(self, rows: list[CallRow]) -> list[NotRecorded | None]:
        """Return for each row that it is durable (None), or why it is not."""
        raise NotImplementedError


def settle(one: Waiting, problem: Exception | None = None) -> None:
    if one.done.done():
        return
    if problem:
        one.done.set_exception(problem)
    else:
        one.done.set_result(None)
