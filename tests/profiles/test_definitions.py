"""Entries of tools/list as text: nothing is lost on the way to a client, and whatever changes is seen."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import definitions

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.dictionaries(st.text(max_size=12), VALUES, max_size=6)
ODD = '{"name":"echo" , "big": 123456789012345678901234567890,"pi":3.10, "x":{"b" :1,"a":[ ]} ,"t":"\\u00e4"}'


def schema(**properties):
    return json.dumps({"name": "echo", "inputSchema": {"type": "object", "properties": properties}})


def header(token, kind="string"):
    return {"type": kind, "x-mcp-header": token}


def test_only_the_name_is_another_and_every_other_byte_stays():
    listed = definitions.listed_as(ODD, "s__echo")
    assert listed == (
        b'{"name":"s__echo","big":123456789012345678901234567890,"pi":3.10,"x":{"b" :1,"a":[ ]},"t":"\\u00e4"}'
    )


def test_what_is_overridden_keeps_its_place():
    text = '{"description":"theirs","name":"echo","title":"T","n":1}'
    assert definitions.listed_as(text, "e", title="Ours", description="“Said” here") == (
        '{"description":"“Said” here","name":"e","title":"Ours","n":1}'.encode()
    )


@given(entry=ENTRIES, name=st.text(min_size=1, max_size=20))
def test_a_client_gets_what_the_server_listed(entry, name):
    text = json.dumps({**entry, "name": "theirs"})
    assert json.loads(definitions.listed_as(text, name)) == {**entry, "name": name}


@given(entry=ENTRIES)
def test_the_order_of_members_and_spaces_make_no_difference(entry):
    turned = dict(reversed(entry.items()))
    one, other = json.dumps(entry), json.dumps(turned, indent=3, ensure_ascii=False)
    assert definitions.digest(one) == definitions.digest(other)
    assert definitions.changed_members(one, other) == []


@given(before=ENTRIES, after=ENTRIES)
def test_whatever_differs_has_another_digest_and_is_named(before, after):
    one, other = json.dumps(before), json.dumps(after)
    is_same = msgspec.json.encode(before, order="deterministic") == msgspec.json.encode(after, order="deterministic")
    assert (definitions.digest(one) == definitions.digest(other)) is is_same
    assert (definitions.changed_members(one, other) == []) is is_same
    assert (definitions.differences(one, other) == []) is is_same


def test_a_difference_far_down_a_long_text_is_shown_and_not_more_than_that():
    start = "same words " * 5000
    before = json.dumps({"name": "a", "description": start + "old " + "x" * 9000})
    after = json.dumps({"name": "a", "description": start + "new " + "x" * 9000})
    (difference,) = definitions.differences(before, after)
    assert "old" in difference.before[0]
    assert "new" in difference.after[0]
    assert len(difference.before[0]) < 2000


def test_a_member_that_came_or_went_is_a_difference():
    (came,) = definitions.differences('{"name":"a"}', '{"name":"a","annotations":{"readOnlyHint":true}}')
    assert (came.member, came.before) == ("annotations", [""])
    assert '  "readOnlyHint": true' in came.after


@pytest.mark.parametrize("text", ["", "7", "[]", "nonsense", '{"title":1e999}', '{"a":' * 5000])
def test_what_cannot_be_read_is_empty_and_has_a_digest(text):
    assert definitions.parsed(text) == {}
    assert definitions.stated_in(text).title is None
    assert len(definitions.digest(text)) == 64
    assert definitions.mirrored(text) == ()


def test_arguments_that_are_repeated_in_headers_are_found():
    text = schema(region=header("Region"), count=header("X-Count", "integer"), plain={"type": "string"})
    assert definitions.mirrored(text) == (("Region", "region"), ("X-Count", "count"))


@pytest.mark.parametrize(
    "properties",
    [
        {"a": header("Region"), "b": header("region")}, {"a": header("two words")}, {"a": header("a\r\nb")},
        {"a": header("")}, {"a": header("Region", "object")}, {"a": header("Region", "number")}, {"a": header(7)},
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_none(properties):
    assert definitions.mirrored(schema(**properties)) == ()
