"""Row 76: production does not start with missing or weak keys, debug pages or an example administrator."""

import os
import pathlib
import secrets
import subprocess
import sys

import pytest
from django.utils import timezone

from profiles import first_run
from tests.live import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRONG = secrets.token_urlsafe(50)
FIELD_KEY = secrets.token_urlsafe(50)
WRONG = {
    "no key": ({"NEXUS_SECRET_KEY": ""}, "NEXUS_SECRET_KEY"),
    "a key of the documentation": ({"NEXUS_SECRET_KEY": "changeme"}, "NEXUS_SECRET_KEY"),
    "a key that repeats itself": ({"NEXUS_SECRET_KEY": "a" * 60}, "NEXUS_SECRET_KEY"),
    "no field key": ({"NEXUS_FIELD_KEYS": ""}, "NEXUS_FIELD_KEYS"),
    "a weak older field key": ({"NEXUS_FIELD_KEYS": f"{FIELD_KEY},changeme"}, "NEXUS_FIELD_KEYS"),
    "the secret key as field key": ({"NEXUS_FIELD_KEYS": STRONG}, "NEXUS_FIELD_KEYS"),
    "debug pages": ({"NEXUS_DEBUG": "1"}, "NEXUS_DEBUG"),
    "an unreadable switch": ({"NEXUS_DEBUG": "perhaps"}, "NEXUS_DEBUG"),
    "the example administrator": ({"NEXUS_ADMIN_EMAIL": ""}, "NEXUS_ADMIN_EMAIL"),
    "the metadata network": ({"NEXUS_ALLOWED_NETWORKS": "169.254.0.0/16"}, "NEXUS_ALLOWED_NETWORKS"),
    "a short metrics token": ({"NEXUS_METRICS_TOKEN": "metrics"}, "NEXUS_METRICS_TOKEN"),
    "another database": ({"DATABASE_URL": "mysql://nexus@db.example.com/nexus"}, "DATABASE_URL"),
}


def production(folder, **more):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "NEXUS_BASE_URL": "https://nexus.example.com",
        "NEXUS_DATA_DIR": str(folder),
        "NEXUS_SECRET_KEY": STRONG,
        "NEXUS_FIELD_KEYS": FIELD_KEY,
        "NEXUS_ADMIN_EMAIL": "ops@nexus.example.com",
        "NEXUS_TRUSTED_PROXIES": "1",
        "PORT": str(free_port()),
        **more,
    }


def start(folder, *command, **more):
    told = production(folder, **more)
    command = [part.replace("PORT", told["PORT"]) for part in command]
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=told, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_web_server_refuses_to_start_and_says_why(tmp_path, wrong):
    variables, named = wrong
    ended = start(tmp_path, "-m", "uvicorn", "nexus.asgi:application", "--port", "PORT", **variables)
    assert ended.returncode != 0
    assert named in ended.stderr + ended.stdout
    assert STRONG not in ended.stderr + ended.stdout
    assert FIELD_KEY not in ended.stderr + ended.stdout


@pytest.mark.parametrize("wrong", list(WRONG.values())[1:4:2], ids=list(WRONG)[1:4:2])
def test_the_command_refuses_to_start_and_says_why(tmp_path, wrong):
    variables, named = wrong
    ended = start(tmp_path, "manage.py", "up", **variables)
    assert ended.returncode != 0
    assert named in ended.stderr + ended.stdout
    assert not (tmp_path / "nexus.sqlite3").exists()


def test_production_makes_no_keys_by_itself(tmp_path):
    start(tmp_path, "manage.py", "check", NEXUS_SECRET_KEY="", NEXUS_FIELD_KEYS="")
    assert not (tmp_path / "keys").exists()


def test_a_key_that_the_embedded_run_makes_is_the_owner_s_alone(tmp_path):
    unset = {"NEXUS_SECRET_KEY": "", "NEXUS_FIELD_KEYS": "", "NEXUS_BASE_URL": "", "NEXUS_TRUSTED_PROXIES": ""}
    started = start(tmp_path, "manage.py", "check", **unset)
    assert started.returncode == 0, started.stderr
    for name in ("nexus_secret_key", "nexus_field_keys"):
        key = tmp_path / "keys" / name
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.parent.stat().st_mode & 0o777 == 0o700
        assert len(key.read_text()) > 50


@pytest.mark.django_db
def test_the_first_person_has_no_password_that_anyone_could_know(tmp_path):
    user = first_run.prepare("ops@nexus.example.com", tmp_path / "repo", now=timezone.now())
    assert user.is_superuser
    assert not user.has_usable_password()
