"""Row 29: the upstream credential of one person is never used for another, also when all call at once."""

import asyncio
import random

import msgspec
import pytest
from django.utils import timezone

from nexus.hub.authority import Database
from nexus.hub.credentials import Credentials
from profiles.models import Authorization, Grant
from profiles.upstream import discovery
from profiles.upstream.discovery import leg_to
from profiles.upstream.errors import NotConnected
from tests import cast
from tests.oauth_upstream import running_protected

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
CALLS = 200
WHOAMI = b'{"name":"whoami","arguments":{}}'


@pytest.fixture(scope="module")
def protected():
    with running_protected() as running:
        yield running


def grant_of(protected, person) -> Grant:
    given = asyncio.run(protected.provider.exchange_for(person))
    return Grant(given.access_token, given.refresh_token, scopes="notes")


@pytest.fixture
def scene(protected, acme, alice, bob):
    """Two servers that are one, Alice and Bob connected to each, and Carla of another account too."""
    carla = cast.make_user("Carla")
    server = cast.make_server("notes", url=protected.url)
    server.sign_in_by("oauth", by=cast.OPERATOR, now=timezone.now())
    people = {"alice": (alice, acme), "bob": (bob, acme), "carla": (carla, carla.personal_account)}
    toolkits = {}
    for person, (user, account) in people.items():
        toolkits[person] = cast.make_toolkit(account, f"of-{person}", server)
        Authorization.objects.connect(
            server, account, user, grant_of(protected, person), by=cast.OPERATOR, now=timezone.now()
        )
    return server, people, toolkits


async def whoami(leg) -> str:
    answer = await leg.request("tools/call", WHOAMI, name="whoami")
    return msgspec.json.decode(answer.result)["content"][0]["text"]


def test_of_two_hundred_mixed_calls_at_once_each_arrives_as_its_own_person(scene):
    server, people, toolkits = scene

    async def run():
        database = Database()
        credentials, legs = Credentials(database), {}

        async def call(person):
            user, account = people[person]
            credential = await credentials.head(server, user.pk, account.pk, toolkits[person].pk)
            leg = legs.setdefault(credential.key, leg_to(server, head=credential.head))
            return person, await whoami(leg)

        order = [random.choice(list(people)) for _ in range(CALLS)]
        try:
            answers = await asyncio.gather(*(call(person) for person in order))
            assert [found for _, found in answers] == order
            credentials.forget(server.pk)
            answers = await asyncio.gather(*(call(person) for person in order))
            assert [found for _, found in answers] == order
            assert len(legs) == len(people)
        finally:
            for leg in legs.values():
                leg.close()
            await credentials.stop()
            await database.stop()

    asyncio.run(run())


def test_who_has_none_gets_none_whatever_others_have(scene, charlie):
    server, people, toolkits = scene
    _, acme = people["alice"]
    mine = cast.make_toolkit(charlie.personal_account, "mine", server)

    async def run():
        database = Database()
        credentials = Credentials(database)
        places = [
            (charlie.pk, charlie.personal_account.pk, mine.pk),
            (charlie.pk, acme.pk, toolkits["alice"].pk),
            (people["alice"][0].pk, charlie.personal_account.pk, mine.pk),
        ]
        try:
            for place in places:
                with pytest.raises(NotConnected):
                    await credentials.head(server, *place)
        finally:
            await credentials.stop()
            await database.stop()

    asyncio.run(run())


def test_a_server_without_a_sign_in_gets_no_credential_that_was_stored_for_it(scene):
    server, people, toolkits = scene
    server.sign_in_by("none", by=cast.OPERATOR, now=timezone.now())
    alice, acme = people["alice"]
    credential = Credentials(Database()).known(server, alice.pk, acme.pk, toolkits["alice"].pk)
    assert credential is not None
    assert credential.head == b""
    with pytest.raises(discovery.CredentialRefused):
        discovery.list_tools(server)
