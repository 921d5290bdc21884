"""A snapshot is read as it was frozen, or not at all."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training.dataset import Messages, read_table, refuse_if_unusable, stable_fraction
from services.training.failures import DamagedSnapshotError, UnusableSnapshotError
from tests.training.snapshots import SCHEMA, freeze, make_row, make_rows


def read(rows: list[dict[str, Any]]) -> Messages:
    snapshot = freeze(rows)
    return Messages.from_snapshot(snapshot.parquet, snapshot.digest)


def check(messages: Messages) -> None:
    refuse_if_unusable(messages.categories, messages.held_out)


def damaged(table: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def test_slots_are_filled_by_the_report_they_are_in() -> None:
    rows = [make_row(f"r{number}", "您的验证码是⟦code:6⟧", "transactional") for number in range(2)]
    first, second = read(rows).texts
    assert "⟦" not in first + second
    assert first != second
    assert read(rows).texts == [first, second]


def test_messages_come_in_the_order_of_their_ids_whatever_the_file_says() -> None:
    rows = make_rows(each=5)
    backwards = damaged(pa.Table.from_pylist(rows[::-1], schema=SCHEMA))
    assert read_table(backwards)["report_id"].to_pylist() == sorted(row["report_id"] for row in rows)


def test_messages_are_read_back_as_they_were_written() -> None:
    messages = read(make_rows(each=5))
    again = Messages.from_table(messages.to_table())
    assert again.digest() == messages.digest()
    assert again.topics == messages.topics
    assert np.array_equal(again.held_out, messages.held_out)


def test_lone_surrogates_are_left_out_of_a_table() -> None:
    messages = read([make_row("a", "你好", "personal")])
    strange = replace(messages, texts=["加\ud800微"], campaigns=["\udfff"])
    assert Messages.from_table(strange.to_table()).texts == ["加微"]


def test_held_out_messages_are_never_trained_on() -> None:
    messages = read(make_rows(each=10))
    training, judging = set(messages.training.report_ids), set(messages.judging.report_ids)
    assert not training & judging
    assert training | judging == set(messages.report_ids)
    assert len(judging) == 14


@pytest.mark.parametrize(
    "parquet",
    [
        b"",
        b"no Parquet",
        damaged(pa.Table.from_pylist(make_rows(each=1), schema=SCHEMA).drop_columns(["held_out"])),
        damaged(pa.Table.from_pylist([make_row("a", "b", "spam")], schema=SCHEMA)),
        damaged(pa.Table.from_pylist([make_row("a", "b", "porn", campaign=None)], schema=SCHEMA)),
        damaged(pa.table({"report_id": [1], "text": [2]})),
    ],
    ids=["empty", "other", "a column short", "unknown category", "empty column", "other columns"],
)
def test_what_is_no_snapshot_is_refused(parquet: bytes) -> None:
    with pytest.raises(DamagedSnapshotError):
        read_table(parquet)


def test_another_digest_is_another_snapshot() -> None:
    snapshot = freeze()
    with pytest.raises(DamagedSnapshotError, match="digest"):
        Messages.from_snapshot(snapshot.parquet + b" ", snapshot.digest)


def test_one_legitimate_and_one_harassment_message_are_enough_to_begin() -> None:
    check(read([make_row("a", "你好", "personal"), make_row("b", "加微", "porn")]))
    with pytest.raises(UnusableSnapshotError):
        check(read([make_row("a", "你好", "personal")]))


@given(st.lists(st.text(), max_size=3))
def test_a_stable_fraction_is_a_fraction_and_stable(names: list[str]) -> None:
    assert 0.0 <= stable_fraction(*names) < 1.0
    assert stable_fraction(*names) == stable_fraction(*names)


def test_a_stable_fraction_never_changes() -> None:
    """Held-out messages and folds hang on it: a change would let a model train on what it is judged by."""
    assert stable_fraction("held out", "campaign") == pytest.approx(0.18211160, abs=1e-8)
