"""Row 39: more than five wrong codes lock the confirmation, in every session; codes are compared in constant time."""

import ast
import inspect

import pytest

from profiles import addresses, confirmation, factors
from tests import cast
from tests.factors import shown_by, with_app
from tests.security.pages import browser

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]
CONFIRM = "/accounts/confirm/"
WRONG = [
    (CONFIRM, {"password": "wrong"}),
    (f"{CONFIRM}code/", {"code": "XXXXXXXX"}),
    (f"{CONFIRM}factor/", {"code": "000000"}),
    (f"{CONFIRM}passkey/", {"credential": '{"id": "AA"}'}),
]


@pytest.mark.parametrize(("path", "data"), WRONG)
def test_after_five_wrong_answers_of_one_kind_no_right_one_of_any_is_taken(alice, path, data):
    secret, codes = with_app(alice)
    for _ in range(5):
        assert browser(alice, confirmed_ago=601).post(path, data).status_code == 422
    client = browser(alice, confirmed_ago=601)
    assert client.post(path, data).status_code == 429
    for right in ({"code": shown_by(secret)}, {"code": codes[0]}):
        assert client.post(f"{CONFIRM}factor/", right).status_code == 429
    assert client.post(CONFIRM, {"password": cast.PASSWORD}).status_code == 429
    assert factors.of(alice).codes_left == len(codes), "what was not looked at is not used up"


def test_the_lock_of_one_person_is_nobody_elses(alice, bob):
    for _ in range(6):
        browser(alice, confirmed_ago=601).post(CONFIRM, {"password": "wrong"})
    assert browser(bob, confirmed_ago=601).post(CONFIRM, {"password": cast.PASSWORD}).status_code == 302


@pytest.mark.parametrize("function", [confirmation.use_code, addresses.confirm, factors._step_of])
def test_codes_are_compared_in_constant_time(function):
    tree = ast.parse(inspect.getsource(function))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "constant_time_compare" in called
    equals = [node for node in ast.walk(tree) if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq)]
    assert equals == []
