import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.networks import is_within, parse

V4 = st.ip_addresses(v=4)


@given(address=V4, bits=st.integers(0, 32))
def test_an_address_is_within_its_own_range_in_every_spelling(address, bits):
    network = str(ipaddress.ip_network((address, bits), strict=False))
    for spelled in (str(address), f"::ffff:{address}", f"::FFFF:{address}"):
        assert is_within(spelled, [parse(network)])


@given(address=V4, bits=st.integers(0, 32))
def test_a_range_of_mapped_addresses_is_the_range_of_the_addresses(address, bits):
    plain = ipaddress.ip_network((address, bits), strict=False)
    mapped = ipaddress.ip_network((f"::ffff:{address}", bits + 96), strict=False)
    assert parse(str(mapped)) == plain


@given(text=st.text(max_size=60))
def test_whatever_is_written_is_a_range_or_an_error_that_says_so(text):
    try:
        assert is_within(str(parse(text).network_address), [parse(text)])
    except ValueError as error:
        assert "Write" in str(error)


@given(address=st.text(max_size=60))
def test_what_is_no_address_is_within_nothing(address):
    try:
        ipaddress.ip_address(address)
    except ValueError:
        assert not is_within(address, [parse("0.0.0.0/0"), parse("::/0")])


def test_a_single_address_is_a_range():
    assert str(parse(" 203.0.113.9 ")) == "203.0.113.9/32"
    assert str(parse("2001:db8::1")) == "2001:db8::1/128"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("010.0.0.1", "is not a range"), ("10.0.0.0/33", "is not a range"), ("10.0.0.1/8", "Write 10.0.0.0/8"),
        ("::ffff:10.0.0.1/104", "Write 10.0.0.0/8"), ("example.com", "is not a range"), ("", "is not a range"),
        ("10.0.0.0-10.0.0.9", "is not a range"), ("fe80::1%eth0", "names an interface"),
    ],
)  # fmt: skip
def test_what_is_not_exactly_one_range_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_an_ipv6_range_does_not_hold_ipv4():
    assert not is_within("10.0.0.1", [parse("::/0")])
    assert not is_within("2001:db8::1", [parse("0.0.0.0/0")])
