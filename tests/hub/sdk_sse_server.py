"""The official SDK's server of MCP 2024-11-05, as a program of its own; it prints its address, then serves."""

import contextlib
import pathlib
import subprocess
import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

from tests.servers import end_with_parent

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Wish(BaseModel):
    colour: str


def application():
    server = MCPServer("old")

    @server.tool()
    async def echo(text: str) -> str:
        return text

    @server.tool()
    async def steps(ctx: Context) -> str:
        await ctx.report_progress(1, 2)
        await ctx.report_progress(2, 2)
        return "done"

    @server.tool()
    async def ask(ctx: Context) -> str:
        wish = await ctx.elicit("Which colour?", Wish)
        return wish.data.colour

    return server.sse_app()


class Announcing(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        sys.stdout.write(f"http://127.0.0.1:{port}/sse\n")
        sys.stdout.flush()


@contextlib.contextmanager
def running_sdk_sse_server():
    """Start it and yield its address."""
    command = [sys.executable, "-m", "tests.hub.sdk_sse_server"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=end_with_parent
    ) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    config = uvicorn.Config(application(), port=0, log_level="critical", ws="none", timeout_graceful_shutdown=1)
    Announcing(config).run()
