import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.upstream import addresses
from profiles.upstream.errors import AddressRefused, UpstreamError

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "127.0.0.1", "0.0.0.0", "::", "::1", "10.1.2.3", "192.168.0.1",
        "172.16.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "2002:a9fe:a9fe::1",
        "2002:7f00:1::", "fe80::1", "fc00::1", "224.0.0.1", "255.255.255.255", "100.64.0.1", "198.18.0.1", "64:ff9b:1::a9fe:a9fe",
        "fec0::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "5f00::1", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
        "198.51.100.1", "203.0.113.1", "240.0.0.1", "100::1", "2001:db8::1", "3fff::1", "ff02::1", "4000::1", "8000::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:0:a9fe:a9fe:0:0:f5ff:fffe", "2001:10::1", "168.63.129.16",
    ],
)  # fmt: skip
def test_a_private_address_is_refused_in_every_disguise(text):
    assert not addresses.is_permitted(ipaddress.ip_address(text), 80, [])


@pytest.mark.parametrize("text", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_a_public_address_is_permitted(text):
    assert addresses.is_permitted(ipaddress.ip_address(text), 443, [])


def test_the_operator_may_allow_a_range():
    assert addresses.is_permitted(ipaddress.ip_address("127.0.0.1"), 9000, LOOPBACK)


def test_the_hub_never_connects_to_itself(settings):
    assert not addresses.is_permitted(ipaddress.ip_address("127.0.0.1"), settings.PORT, LOOPBACK)


@pytest.mark.parametrize("text", ["169.254.169.254", "fe80::1", "100.100.100.200"])
def test_nobody_can_allow_a_metadata_address(text):
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    assert not addresses.is_permitted(ipaddress.ip_address(text), 80, everything)


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_global))
def test_no_wrapping_makes_a_private_address_public(address):
    packed = int(address)
    for wrapped in (0xFFFF00000000 | packed, (0x2002 << 112) | (packed << 80), (0x64FF9B << 96) | packed):
        assert not addresses.is_permitted(ipaddress.IPv6Address(wrapped), 80, [])


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://x/", "unix:/run/x", "http://a@127.0.0.1/", "http://u:p@example.com/", "https://", "x",
     "http://host:0/", "http://host:99999/", "http://ho st/", "http://host\\@evil/", "javascript:alert(1)"],
)  # fmt: skip
def test_what_is_not_a_plain_address_is_refused(url):
    with pytest.raises(AddressRefused):
        addresses.parse(url)


SPELLINGS = [
    "127.1", "127.0.1", "0x7f000001", "0x7f.1", "0x7f.0x0.0x0.0x1", "2130706433", "017700000001", "0177.0.0.1", "0", "0.0",
    "localhost", "localhost.", "LOCALHOST", "127.0.0.1.", "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "127\u30020\u30020\u30021",
    "\u2460\u2461\u2466.0.0.1", "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_other_spellings_of_a_private_address_are_refused(spelling, settings):
    settings.NEXUS_ALLOWED_NETWORKS = []
    host = addresses.host_of(addresses.parse(f"http://{spelling}/"))
    with pytest.raises(AddressRefused):
        await addresses.resolve(host, 80)


@pytest.mark.parametrize("host", ["fe80::1%lo", "::1%1", "fe80::a9fe:a9fe%eth0"])
async def test_an_address_with_a_zone_is_no_way_around(host, settings):
    settings.NEXUS_ALLOWED_NETWORKS = []
    with pytest.raises(UpstreamError):
        await addresses.resolve(host, 80)


@pytest.mark.parametrize("host", ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data"])
async def test_the_names_of_metadata_services_are_not_even_asked_for(host):
    async def lookup(host, port):
        raise AssertionError("asked")

    with pytest.raises(AddressRefused, match="metadata service"):
        await addresses.resolve(addresses.host_of(addresses.parse(f"http://{host}/")), 80, lookup)


async def test_any_forbidden_address_of_a_name_refuses_all(settings):
    settings.NEXUS_ALLOWED_NETWORKS = LOOPBACK
    for records in (["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["1.1.1.1", "::ffff:10.0.0.1", "127.0.0.1"]):

        async def lookup(host, port, records=records):
            return records

        with pytest.raises(AddressRefused):
            await addresses.resolve("mcp.example", 80, lookup)


async def test_what_a_name_stands_for_is_told_to_the_operator_alone(settings, caplog):
    async def lookup(host, port):
        return ["10.20.30.40"]

    caplog.set_level("INFO", "nexus.upstream")
    with pytest.raises(AddressRefused) as refusal:
        await addresses.resolve("intranet.example", 80, lookup)
    assert "10.20.30.40" not in str(refusal.value)
    assert "10.20.30.40" in caplog.text


async def test_the_portal_s_own_address_is_refused_by_name(settings):
    settings.NEXUS_BASE_URL = "https://nexus.example.com"

    async def lookup(host, port):
        raise AssertionError("asked")

    with pytest.raises(AddressRefused, match="is Nexus itself"):
        await addresses.resolve("nexus.example.com", 443, lookup)


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "x" * 64 + ".example.com", ".", ".a"])
def test_a_name_that_cannot_be_is_refused(host):
    with pytest.raises(AddressRefused):
        addresses.parse(f"https://{host}/mcp")


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_undisguising_twice_changes_nothing_more(address):
    plain = addresses.undisguised(address)
    assert addresses.undisguised(plain) == plain


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(1, 65535))
def test_what_is_permitted_without_the_operator_is_public(address, port):
    if addresses.is_permitted(address, port, []):
        plain = addresses.undisguised(address)
        assert plain.is_global
        assert not any((plain.is_loopback, plain.is_link_local, plain.is_multicast, plain.is_reserved))


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_the_operator_s_ranges_only_ever_add(address):
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    if addresses.is_permitted(address, 80, []):
        assert addresses.is_permitted(address, 80, LOOPBACK)
    never = any(addresses.undisguised(address) in network for network in addresses.NEVER)
    assert addresses.is_permitted(address, 80, everything) is not never


@given(st.sampled_from(addresses.NEVER), st.integers(0, 2**128), st.sampled_from([0xFFFF << 32, 0x64FF9B << 96]))
def test_no_wrapping_opens_what_nobody_can_allow(network, number, prefix):
    everything = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    address = network[number % network.num_addresses]
    assert not addresses.is_permitted(address, 80, everything)
    if address.version == 4:
        for wrapped in (prefix | int(address), (0x2002 << 112) | (int(address) << 80)):
            assert not addresses.is_permitted(ipaddress.IPv6Address(wrapped), 80, everything)


@given(st.text(max_size=40))
async def test_no_text_is_an_address_by_accident(text):
    for url in (text, f"http://{text}/"):
        try:
            parts = addresses.parse(url)
        except AddressRefused:
            continue
        assert parts.scheme in ("http", "https")
        assert addresses.host_of(parts).isascii()
