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
        "fec0::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "5f00::1",
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


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost"])
async def test_other_spellings_of_a_private_address_are_refused(host, settings):
    settings.NEXUS_ALLOWED_NETWORKS = []
    with pytest.raises(UpstreamError):
        await addresses.resolve(host, 80)
