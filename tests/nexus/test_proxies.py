import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from nexus.proxies import client_address, request_id

ADDRESSES = st.ip_addresses().map(str)
NOISE = st.text(st.characters(codec="latin-1"), max_size=40)


@given(peer=ADDRESSES, claim=NOISE)
def test_without_trusted_proxies_only_the_peer_counts(peer, claim):
    assert client_address(peer, claim, 0) == peer


@given(
    peer=ADDRESSES,
    seen=st.ip_addresses(v=4).map(str),
    claimed=NOISE,
    between=st.lists(ADDRESSES, min_size=0, max_size=4),
)
def test_a_client_cannot_choose_its_address(peer, seen, claimed, between):
    forwarded = ", ".join([claimed, seen, *between])
    assert client_address(peer, forwarded, len(between) + 1) == seen


@given(peer=ADDRESSES, forwarded=NOISE, hops=st.integers(1, 5))
def test_whatever_is_sent_the_answer_is_an_address(peer, forwarded, hops):
    ipaddress.ip_address(client_address(peer, forwarded, hops))


def test_fewer_entries_than_proxies_means_the_peer():
    assert client_address("10.0.0.1", "1.2.3.4", 2) == "10.0.0.1"


def test_ports_and_brackets_are_taken_off():
    assert client_address("10.0.0.1", "1.2.3.4:5678", 1) == "1.2.3.4"
    assert client_address("10.0.0.1", "[2001:db8::1]:5678", 1) == "2001:db8::1"
    assert client_address("10.0.0.1", "::ffff:1.2.3.4", 1) == "1.2.3.4"


def test_malformed_entries_mean_the_peer():
    for entry in ("", "unknown", "_hidden", "1.2.3", "fe80::1%eth0", "a" * 10_000):
        assert client_address("10.0.0.1", entry, 1) == "10.0.0.1"


def test_a_request_id_is_taken_only_from_a_trusted_proxy():
    assert request_id("abcdefgh-1", 1) == "abcdefgh-1"
    assert request_id("abcdefgh-1", 0) != "abcdefgh-1"


def test_a_request_id_that_could_forge_a_log_line_is_replaced():
    for claimed in ("short", "x" * 37, "abc def ghi", 'abcdefgh"}\n', "äöüäöüäöü"):
        assert request_id(claimed, 1) != claimed
