"""Which resources belong to a template, however templates and addresses look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.hub.catalogs import MAX_URI, is_of

plain = st.text(st.characters(blacklist_characters="{}/?#", blacklist_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("template", "uri", "expected"),
    [
        ("test://template/{id}/data", "test://template/7/data", True),
        ("test://template/{id}/data", "test://template//data", False),
        ("test://template/{id}/data", "test://template/7/8/data", False),
        ("file:///{+path}", "file:///a/b/c.txt", True),
        ("file:///{+path}", "http:///a", False),
        ("db://{table}/{row}{?columns}", "db://people/1?columns=name", True),
        ("a{x}{y}", "a", False),
        ("a{x}{y}", "abc", True),
        ("plain://no-variable", "plain://no-variable", False),  # that is a resource, not a template
        ("{", "{", False),
    ],
)
def test_an_address_belongs_to_its_template(template, uri, expected):
    assert is_of(template, uri) is expected


@given(plain, plain, plain)
def test_what_is_made_by_a_template_belongs_to_it(scheme, one, two):
    assert is_of(f"{scheme}://{{a}}/x/{{b}}", f"{scheme}://{one}/x/{two}")


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_template_and_no_address_do_harm(template, uri):
    assert is_of(template, uri) in (True, False)


def test_a_hostile_template_takes_no_longer_than_another():
    """Of so many variables a pattern would try every way to share the address out, and never end."""
    assert not is_of("{a}-" * 500 + "!", "-" * (MAX_URI - 1))
    assert not is_of("{a}" * 500 + "!", "a" * MAX_URI)
