from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.ids import chunk_id, text_hash
from xtr_assets.core.types import encoded_text

places = st.tuples(
    st.text("ab/", max_size=3),
    st.text("ab/", max_size=3),
    st.text("ab/", max_size=3),
    st.integers(0, 3),
    st.integers(0, 3),
)


def test_the_ids_of_format_version_1_are_these() -> None:
    assert chunk_id("stdlib", "datetime.py", "date.today") == 3799051118126274525
    assert chunk_id("", "", "") == 2133456721438304387
    assert text_hash("class date\ndef today(cls):").hex() == "68d0d7ee8111b0fb09c8eb062050227d"


@given(st.sets(places, min_size=2, max_size=40))
def test_different_places_have_different_ids_that_fit_int64(some: set[tuple[str, str, str, int, int]]) -> None:
    ids = {chunk_id(*place) for place in some}
    assert len(ids) == len(some)
    assert all(0 <= value < 2**63 for value in ids)


def test_the_title_is_part_of_what_is_hashed() -> None:
    assert text_hash(encoded_text("class A", "x")) != text_hash(encoded_text("class B", "x"))
    assert len(text_hash("")) == 16
