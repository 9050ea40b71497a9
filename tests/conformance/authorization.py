"""The suite's tests of authorization servers: it is the client, and a browser that is signed in plays the person."""

import json
import pathlib
import subprocess
import urllib.request
from dataclasses import dataclass

from tests.bench.installation import free_port
from tests.clients.browser import Browser
from tests.conformance.suite import LIMIT, NODE, SUITE, Scenario, read

SCENARIOS = ("authorization-server-metadata-endpoint", "authorization-code-grant")


@dataclass(frozen=True)
class Issuer:
    """What the suite is pointed at, and who presses Allow."""

    url: str
    resource: str
    browser: Browser

    def register(self, redirect_uri: str) -> str:
        """Register a public client (RFC 7591); return its id."""
        metadata = {
            "client_name": "Conformance suite", "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none"
        }  # fmt: skip
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/oauth/register", json.dumps(metadata).encode(), headers)
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return str(json.load(answer)["client_id"])


def run(issuer: Issuer, folder: pathlib.Path) -> list[Scenario]:
    """Run all scenarios; the suite's records and output stay in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        NODE, SUITE, "authorization", "--url", issuer.url, "--resource", issuer.resource, "--port", str(port),
        "--client-id", issuer.register(f"http://127.0.0.1:{port}/callback"), "--output-dir", folder,
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            output = follow(process, issuer)
        except BaseException:
            process.kill()
            raise
    (folder / "output.txt").write_text(output)
    scenarios = read(output, folder, "authorization-server")
    assert tuple(scenario.name for scenario in scenarios) == SCENARIOS, output
    assert all(scenario.is_met for scenario in scenarios) is (process.returncode == 0), output
    return scenarios


def follow(process: "subprocess.Popen[str]", issuer: Issuer) -> str:
    """Open the address that the suite prints, as it asks for; return all that it printed."""
    assert process.stdout
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith(f"{issuer.url}/oauth/authorize?"):
            issuer.browser.arrive(issuer.browser.allow(line.strip())[1])
    return "".join(printed)
