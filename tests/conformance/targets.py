"""What the suite is run against: the reference server of the official SDK, and a hub in front of it."""

import contextlib
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tests.bench.installation import free_port
from tests.conformance.suite import Target

REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "build/reference/examples/servers/everything-server"


PATIENCE = 40  # seconds that the reference server may take to start


@contextlib.contextmanager
def running_reference(log: pathlib.Path) -> Iterator[str]:
    """Serve the reference server, which offers all that the protocol knows, and yield its address."""
    assert REFERENCE.is_dir(), "The reference server is not there: run `make reference`."
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mcp_everything_server", "--port", str(port), "--log-level", "WARNING"],
            cwd=REFERENCE, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        wait_for_it(process, port, log)
        yield f"http://localhost:{port}/mcp"
    finally:
        process.terminate()
        process.wait(15)


def wait_for_it(process: "subprocess.Popen[bytes]", port: int, log: pathlib.Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"The reference server did not start:\n{log.read_text()[-3000:]}")


def through_the_hub(manage: Callable[..., str], upstream: str, email: str) -> Target:
    """Put the upstream into a toolkit of its own, under its own names, as an operator would; return where and with what."""
    url = manage("add_toolkit", "conformance", "--plain-names")
    manage("add_server", "everything", upstream, "--toolkit", "conformance")
    return Target(url, manage("issue_token", email, "conformance", "--name", "Conformance suite", "--days", "1"))
