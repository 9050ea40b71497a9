"""The lines that save a token, pasted into a real shell: the store gets it, and no list of processes shows it."""

import html
import os
import re
import shutil
import subprocess

import pytest

from tests.tokens.test_install import SECRET, text
from tokens.clients.stores import _stores

PROGRAMS = {
    "aws": "aws", "vault": "vault", "google": "gcloud", "azure": "az", "onepassword": "op", "doppler": "doppler",
    "github": "gh", "kubernetes": "kubectl",
}  # fmt: skip
# Stands for the program of a store: notes its arguments, and what comes over a pipe or from the file it is told of.
STAND_IN = """\
#!/bin/sh
printf '%s\\n' "$0 $*" >> "$OUT/arguments"
case "$*" in *file:///dev/shm/nexus-token*) cat /dev/shm/nexus-token >> "$OUT/input";; *) cat >> "$OUT/input";; esac
"""


def block(page, name):
    return html.unescape(re.sub(r"<[^>]+>", "", re.search(rf'<pre id="{name}"[^>]*>(.*?)</pre>', page, re.S)[1]))


@pytest.fixture(scope="module")
def shims(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    for name in PROGRAMS.values():
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    return folder


def paste(line, secret, shims, folder):
    told = {"PATH": f"{shims}:{os.environ['PATH']}", "NEXUS_TOKEN": secret, "OUT": str(folder), "HOME": str(folder)}
    subprocess.run(["bash", "-c", line], env=told, cwd=folder, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def issued(as_alice, work):
    form = {"toolkit": str(work.pk), "name": "n8n, prod", "life": "7", "client": "n8n",
            "request_key": "0b0f7e2c-7f57-4f5c-9f6e-000000000001"}  # fmt: skip
    page = text(as_alice.post("/install/", form))
    return page, SECRET.search(page)[0]


def test_every_line_hands_the_token_over_and_shows_it_to_nobody(issued, shims, tmp_path):
    page, secret = issued
    for store in _stores():
        lines = [block(page, f"save-{store.slug}")] + ([block(page, f"again-{store.slug}")] if store.replace else [])
        assert secret not in "".join(lines)
        if store.slug not in PROGRAMS:
            continue
        folder = tmp_path / store.slug
        folder.mkdir()
        for line in lines:
            assert "\n" not in line.strip(), store.slug
            paste(line, secret, shims, folder)
        assert (folder / "input").read_text().count(secret) >= len(lines), store.slug
        assert secret not in (folder / "arguments").read_text(), store.slug
        if store.slug not in ("github", "doppler"):
            assert "nexus-work-n8n-prod" in (folder / "arguments").read_text() + (folder / "input").read_text()
    assert not os.path.exists("/dev/shm/nexus-token")


def test_the_env_file_is_ours_alone_ignored_by_git_and_read_by_a_shell(issued, work, shims, tmp_path):
    page, secret = issued
    for _ in range(2):
        paste(block(page, "save-dotenv"), secret, shims, tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".gitignore").read_text() == ".env\n"
    read = subprocess.run(
        ["sh", "-c", block(page, "use-dotenv") + '\nprintf "%s %s" "$NEXUS_URL" "$NEXUS_TOKEN"'],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert read.stdout == f"{work.mcp_url} {secret}"


@pytest.mark.skipif(not shutil.which("bash"), reason="the line is for bash and zsh")
def test_the_shell_takes_the_token_without_showing_it(issued):
    page, secret = issued
    line = block(page, "read") + '\nprintf "got %s" "$NEXUS_TOKEN"'
    shell = subprocess.run(["bash", "-c", line], input=f"{secret}\n", capture_output=True, text=True, check=True)
    assert shell.stdout == f"got {secret}"
