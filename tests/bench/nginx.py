"""nginx before the echo server, where it is installed."""

import contextlib
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.bench.driving import CPUS, pin, wait_for_port
from tests.bench.installation import children, free_port


@contextlib.contextmanager
def running_nginx(folder: pathlib.Path, upstream: str) -> "Iterator[tuple[str, int] | None]":
    """Yield its address and the process that works, or None where it is not on the PATH."""
    program = shutil.which("nginx")
    if program is None:
        yield None
        return
    folder.mkdir()
    port = free_port()
    text = pathlib.Path(__file__).with_name("nginx.conf").read_text()
    for name, value in (("PORT", port), ("UPSTREAM", urlsplit(upstream).netloc), ("FOLDER", folder)):
        text = text.replace(f"@{name}@", str(value))
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen([program, "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf"])
    try:
        address = f"http://127.0.0.1:{port}/mcp"
        wait_for_port(address, process, "nginx")
        (worker,) = children(process.pid) - {process.pid}
        pin(worker, CPUS[0])
        yield address, worker
    finally:
        process.terminate()
        process.wait(5)
