from hypothesis import given
from hypothesis import strategies as st

from profiles import names


@given(name=st.text(min_size=1, max_size=200))
def test_a_prefixed_name_is_one_that_every_client_takes(name):
    shown = names.prefixed("github", name)
    assert len(shown) <= 48
    assert not names.UNSAFE.search(shown)


def test_long_names_that_begin_alike_stay_apart():
    assert names.prefixed("s", "x" * 100) != names.prefixed("s", "x" * 101)
    assert names.prefixed("s", "a.b") != names.prefixed("s", "a_b")


@given(name=st.text(min_size=1, max_size=60), count=st.integers(1, 12))
def test_a_name_that_is_taken_is_numbered(name, count):
    taken = set()
    for _ in range(count):
        taken.add(names.distinct(name, taken))
    assert len(taken) == count
    assert names.distinct("free", taken) == "free" or "free" in taken
