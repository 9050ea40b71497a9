"""Asking the REST API, as a person in a browser or with a management key."""

import json
from typing import Any

from django.test import Client

from tests import cast
from tests.security.pages import browser


class Asker:
    """`asker("post", "tokens", {...})` sends it; a header's name is written with underscores."""

    def __init__(self, client: Client, secret: str = "") -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method.upper(), f"/api/v1/{path}", "" if body is None else json.dumps(body), "application/json",
            headers=self.headers | named,
        )  # fmt: skip

    def rows(self, path: str) -> list[dict[str, Any]]:
        answer = self("get", path)
        assert answer.status_code == 200, answer.content
        return answer.json()["results"]


def person(user: Any, account: Any = None, *, confirmed_ago: float = 0.0) -> Asker:
    """A person who confirmed who they are so many seconds ago, with this account before them."""
    client = browser(user, confirmed_ago=confirmed_ago)
    if account:
        client.post("/settings/account/", {"account": str(account.pk)})
    return Asker(client)


def key(owner: Any, account: Any, *scopes: str, name: str = "Terraform") -> Asker:
    return Asker(Client(), cast.make_key(owner, account, scopes, name)[1])
