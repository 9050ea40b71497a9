"""Row 71: a stdio server holds and sees nothing of the hub's, cannot be given arguments, and costs little when it fails."""

import contextlib
import json
import pathlib
import subprocess
import sys

import pytest
from django.db import IntegrityError

from nexus.hub.confined import PROCESSES, RESERVED_PIDS, Terms
from profiles.models import Server
from profiles.upstream import stdio_host
from tests.hub.stdio import (
    CAPABLE,
    ROOT,
    SERVER,
    WITHOUT_LANDLOCK,
    WITHOUT_NAMESPACES,
    Talk,
    listener_at,
    running_host,
    speaking,
)
from tests.nexus.running import is_living
from tests.upstreams import wait_for

PREFIXES = {"both": (), "landlock": WITHOUT_NAMESPACES, "namespaces": WITHOUT_LANDLOCK}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Data directories with what the hub keeps there, by what confines the servers of the host that hides each."""
    with contextlib.ExitStack() as stack:
        made = {}
        for name, prefix in PREFIXES.items():
            made[name] = folder = tmp_path_factory.mktemp(name) / "var"
            (folder / "keys").mkdir(parents=True)
            (folder / "keys" / "nexus_secret_key").write_text("the key")
            (folder / "nexus.sqlite3").write_text("the tokens")
            (folder / "demo-repo").mkdir()
            (folder / "demo-repo" / "README").write_text("to be read")
            (folder.parent / "beside").write_text("not ours")
            stack.enter_context(running_host(folder, prefix=prefix))
        yield made


@pytest.fixture(params=PREFIXES)
def data(request, folders):
    return folders[request.param]


@pytest.fixture
async def talk(data):
    async with speaking(data / "run" / "stdio.sock") as http:
        yield Talk(http, [*SERVER, "calm"])


@pytest.fixture
def victim(talk, request):
    """A client of a command that no other test uses, so that its process may come to harm."""
    return Talk(talk.http, [*SERVER, request.node.name])


async def tried(talk, python):
    return await talk.result("try_to", {"python": python})


async def test_its_environment_is_four_harmless_variables(talk):
    environment = (await talk.result("look"))["environment"]
    assert set(environment) - {"LC_CTYPE"} == {"PATH", "LANG", "HOME", "TMPDIR"}
    assert "must-not-be" not in json.dumps(environment)


async def test_it_starts_in_a_home_of_its_own_where_it_can_write(talk):
    look = await talk.result("look")
    assert look["folder"] == look["environment"]["HOME"]
    assert await tried(talk, "pathlib.Path(os.environ['TMPDIR'], 'a').write_text('12')") == {"value": 2}


@pytest.mark.parametrize(
    "python",
    [
        "open('{data}/keys/nexus_secret_key').read()",
        "open('{data}/nexus.sqlite3').read()",
        "open('{data}/../var/nexus.sqlite3').read()",
        "open('/proc/self/root{data}/nexus.sqlite3').read()",
        "open('{data}/nexus.sqlite3', 'w').write('x')",
        "open('{data}/new', 'w').write('x')",
        "os.rename('{data}', '{data}-moved')",
        "os.rename('{data}/nexus.sqlite3', os.environ['HOME'] + '/stolen')",
        "os.link('{data}/nexus.sqlite3', os.environ['HOME'] + '/stolen')",
        "[open(f'/proc/{host}/environ').read()]",
        "[open(f'/proc/{host}/root{data}/nexus.sqlite3').read()]",
        "os.kill({host}, 0)",
        "subprocess.run(['umount', '{data}'], check=True)",
        "subprocess.run(['unshare', '--user', '--map-root-user', '--mount', 'umount', '{data}'], check=True)",
    ],
)
async def test_it_reaches_nothing_of_the_hub(talk, data, python):
    host = listener_at(data / "run" / "stdio.sock")
    outcome = await tried(talk, python.replace("{data}", str(data)).replace("{host}", str(host)))
    assert "error" in outcome, outcome
    assert (data / "nexus.sqlite3").read_text() == "the tokens"
    assert not (data / "new").exists()


async def test_other_servers_homes_are_hidden_too(talk):
    other = Talk(talk.http, [*SERVER, "other"])
    home = (await other.result("look"))["environment"]["HOME"]
    assert "error" in await tried(talk, f"os.listdir('{home}')")


async def test_what_the_command_itself_names_is_shown(talk, data):
    talk.command["nexus-command"] = json.dumps([*SERVER, "--repository", str(data / "demo-repo")])
    assert await tried(talk, f"open('{data}/demo-repo/README').read()") == {"value": "to be read"}
    assert "error" in await tried(talk, f"open('{data}/nexus.sqlite3').read()")


async def test_the_data_directory_itself_cannot_be_named(talk, data):
    talk.command["nexus-command"] = json.dumps([*SERVER, str(data), f"--all={data}/../var", "/"])
    assert "error" in await tried(talk, f"open('{data}/nexus.sqlite3').read()")


async def test_its_processes_are_limited_in_all_that_can_run_away(talk):
    limits = (
        await tried(
            talk,
            "(r := __import__('resource')) and {n: r.getrlimit(getattr(r, 'RLIMIT_' + n)) for n in "
            "('DATA', 'FSIZE', 'NOFILE', 'NPROC', 'CORE')}",
        )
    )["value"]
    assert limits.pop("CORE") == [0, 0]
    assert all(0 < soft == hard for soft, hard in limits.values()), limits


async def test_what_lies_elsewhere_is_there(talk, data):
    assert await tried(talk, f"open('{data.parent}/beside').read()") == {"value": "not ours"}
    assert await tried(talk, "open('/dev/null', 'w').write('x')") == {"value": 1}


async def test_it_cannot_have_the_host_start_a_program_that_sees_more(talk, data):
    socket = data / "run" / "stdio.sock"
    outcome = await tried(
        talk,
        f"(s := __import__('socket').socket(1), s.connect('{socket}'), s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'),"
        " s.recv(100).decode())[-1]",
    )
    assert "status" not in json.dumps(outcome), outcome
    assert outcome.get("value", "") == ""


async def test_a_process_that_it_leaves_behind_ends_with_it(victim):
    child = (await victim.result("leave", {"seconds": "777.071"}))["child"]
    assert child > 0
    wait_for(any_sleeping, "the process that it leaves behind")
    assert (await victim.request("die")).status_code == 502
    wait_for(lambda: not any_sleeping(), "the end of what it left behind")


def any_sleeping():
    def is_it(folder):
        try:
            return (folder / "cmdline").read_bytes().endswith(b"sleep\x00777.071\x00") and is_living(int(folder.name))
        except OSError:
            return False

    return any(map(is_it, pathlib.Path("/proc").glob("[0-9]*")))


@pytest.mark.parametrize(
    ("flood", "reason"),
    [("flood_line", "a line of more than 32 MB"), ("flood_messages", "messages within 10 s that answer nothing")],
)
@pytest.mark.parametrize("capabilities", [{}, CAPABLE])
async def test_a_flood_is_ended_with_its_reason(victim, talk, data, flood, reason, capabilities):
    await victim.open(capabilities)
    answer = await victim.request(flood)
    if answer.status_code == 200:  # its own client heard the messages as they came; then the stream broke off
        assert answer.headers["content-type"] == "text/event-stream"
        assert '"result"' not in answer.text
    else:
        assert answer.status_code == 502
        assert reason in answer.json()["detail"]
    assert await talk.result("look")
    assert peak_memory(data) < 250


def peak_memory(data):
    """Return what the host has needed at most, in megabytes."""
    status = pathlib.Path(f"/proc/{listener_at(data / 'run' / 'stdio.sock')}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


async def test_a_flood_of_complaints_neither_fills_the_log_nor_stops_it(victim, data):
    assert await victim.result("flood_errors") == {}
    assert (data.parent / "var.log").stat().st_size < 100_000


async def test_its_arguments_are_its_command_s_whatever_is_asked_of_it(talk):
    asked = {"name": "; touch /tmp/x", "arguments": {"--repository": "/etc", "$(id)": "`id`"}}
    assert await talk.result("tools/call", asked) == asked
    assert (await talk.result("look"))["arguments"] == json.loads(talk.command["nexus-command"])[2:]


async def test_its_words_reach_it_as_they_are_and_no_shell(talk):
    words = ["$(touch /tmp/x)", "; id", "a b", "*", "--", '"', "ä"]
    talk.command["nexus-command"] = json.dumps([*SERVER, *words])
    assert (await talk.result("look"))["arguments"] == words


async def test_a_fork_bomb_is_bounded_and_gone_with_the_server(tmp_path):
    with running_host(tmp_path / "var") as path:
        async with speaking(path) as http:
            talk, other = Talk(http, [*SERVER, "bomb"]), Talk(http, [*SERVER, "other"])
            await other.result("look")
            assert 100 < (await talk.result("bomb"))["children"] < RESERVED_PIDS + PROCESSES
            assert await other.result("look")
            assert (await talk.request("die")).status_code == 502
            wait_for(lambda: stdio_host.status(path).running == 1, "the end of the bomb")
    wait_for(lambda: not any_bomb(), "the end of its children")


def any_bomb():
    return any(
        b"stdio_server.py\x00bomb" in read(folder / "cmdline") for folder in pathlib.Path("/proc").glob("[0-9]*")
    )


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_what_cannot_be_confined_does_not_run(tmp_path):
    terms = Terms(str(tmp_path / "none"), [], str(tmp_path), has_landlock=False, has_namespaces=True)
    command = [sys.executable, "-m", "nexus.hub.confined", terms.to_json(), "echo", "ran"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (125, "")
    assert "could not be confined" in found.stderr


@pytest.mark.django_db
def test_only_the_catalog_has_commands(acme):
    with pytest.raises(IntegrityError, match="server_stdio_only_in_the_catalog"):
        Server.objects.create(account=acme, slug="own", name="Own", transport=Server.Transport.STDIO, command=["id"])


@pytest.mark.django_db
def test_who_manages_an_account_cannot_give_a_command(client, alice, acme):
    client.force_login(alice)
    sent = {"name": "Own", "slug": "own", "url": "", "transport": "stdio", "command": '["id"]', "save": "1"}
    assert client.post("/servers/add/", sent).status_code == 422
    assert not Server.objects.filter(transport=Server.Transport.STDIO).exists()
