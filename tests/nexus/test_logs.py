import io
import json
import logging

import pytest
import structlog

from nexus import logs
from tokens import keys


@pytest.fixture
def lines():
    """Return a function that returns the lines logged since."""
    output = io.StringIO()
    handler = logging.getLogger().handlers
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=logs.SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    stream = logging.StreamHandler(output)
    stream.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(stream)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    root.removeHandler(stream)
    assert root.handlers == handler


def test_a_secret_never_reaches_the_log_however_it_gets_there(lines):
    secret = keys.make(keys.Kind.DELEGATED).text
    logger = logging.getLogger("nexus.test")
    logger.warning("refused %s", secret)
    logger.warning("headers %r", {"authorization": f"Bearer {secret}"})
    structlog.stdlib.get_logger("nexus.test").warning("event", headers={"Authorization": secret}, body=[secret])
    try:
        raise ValueError(f"cannot use {secret}")
    except ValueError:
        logger.exception("failed")
    assert len(lines()) == 4
    assert secret not in json.dumps(lines())
    assert secret[17:] not in json.dumps(lines())
    assert secret[4:16] in lines()[0]["event"]


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://nexus:hunter22@db/nexus",
        "Authorization: Bearer hunter22",
        "Basic hunter22",
        "grant_type=x&client_secret=hunter22&a=b",
        "{'password': 'hunter22'}",
        '{"refresh_token": "hunter22"}',
    ],
)
def test_credentials_in_text_are_taken_out(text):
    assert "hunter22" not in logs.redact(text)


def test_ordinary_text_stays_as_it_is():
    text = "GET /toolkits/0b6e9a0e-6a2a-4c7e-9f4b-0f4d8f6f1a11/ 200 https://example.com/a:b@c"
    assert logs.redact(text) == text


def test_members_named_like_secrets_are_not_logged():
    event = logs.redact_secrets(None, "", {"event": "x", "cookie": "a=b", "password": "p", "port": 8800, "ok": None})
    assert event == {"event": "x", "cookie": "…", "password": "…", "port": 8800, "ok": None}


def test_libraries_never_log_at_debug():
    logs.configure()
    assert logging.getLogger("oauthlib").getEffectiveLevel() >= logging.INFO
    assert logging.getLogger().level == logging.INFO
