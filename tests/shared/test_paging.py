"""A list in pages shows every item once, in its order, whatever its sort key is made of."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.problems import Problem
from shared.web import decode_cursor, encode_cursor, make_page

numbers = st.integers(-(2**31) + 1, 2**31 - 1)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
moments = st.datetimes(timezones=st.just(UTC))


@given(numbers, texts, moments)
def test_a_cursor_of_ours_is_read_back(number, text, moment):
    assert decode_cursor(encode_cursor([number, text, moment]), (int, str, datetime)) == [number, text, moment]


def test_a_moment_is_read_back_in_utc():
    moment = datetime(2025, 6, 1, 20, tzinfo=timezone(timedelta(hours=8)))
    (found,) = decode_cursor(encode_cursor([moment]), (datetime,))
    assert (found, found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    ("position", "types"),
    [
        ([2**31], (int,)),
        ([-(2**31)], (int,)),
        ([10**30], (int,)),
        ([True], (int,)),
        ([1.0], (int,)),
        (["1"], (int,)),
        ([1], (str,)),
        (["a\0"], (str,)),
        (["\ud800"], (str,)),
        ([None], (str,)),
        (["yesterday"], (datetime,)),
        (["2025-06-01T12:00:00"], (datetime,)),
        (["0001-01-01T00:00:00+14:00"], (datetime,)),
        ([0], (datetime,)),
        ([1, "a"], (int,)),
        ([], (int,)),
        ([[1]], (int,)),
        ({"0": 1}, (int,)),
        (7, (int,)),
    ],
)
def test_a_cursor_with_other_values_than_expected_is_refused(position, types):
    with pytest.raises(Problem) as caught:
        decode_cursor(encode_cursor(position), types)
    assert (caught.value.status, caught.value.word) == (400, "bad-cursor")


@given(st.text(max_size=60))
def test_whatever_comes_as_a_cursor_is_read_or_refused(cursor):
    try:
        position = decode_cursor(cursor, (int, str))
    except Problem:
        return
    assert [type(value) for value in position] == [int, str]


def test_no_cursor_is_the_first_page():
    assert decode_cursor(None, (int,)) is None


@given(st.lists(numbers, unique=True, max_size=12), st.integers(1, 5))
def test_pages_show_every_item_once_in_its_order(items, limit):
    items.sort()
    seen, cursor = [], None
    while True:
        after = decode_cursor(cursor, (int,))
        found = [item for item in items if after is None or item > after[0]][: limit + 1]
        page = make_page(found, limit, str, lambda last: [last])
        assert len(page["items"]) <= limit
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert seen == [str(item) for item in items]
            return
