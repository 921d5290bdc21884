"""What models learned from never measures them, whatever comes later."""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from alembic import command

from services.ingestion.app import MIGRATIONS, migrate
from services.ingestion.campaigns import are_near, campaign_name, shapes
from services.ingestion.reports import is_held_out
from services.ingestion.snapshots import SnapshotFolder
from shared.database import _alembic_config

START = "您好我是某某健身房的小李，最近店庆办卡送两个月私教课，名额有限，需要了解的话可以回复数字一，退订回复字母"
OTHERS = [
    {"text": "【青禾银行】您尾号1234的储蓄卡于今日支出3,500.00元", "category": "transactional", "id": "bank"},
    {"text": "妈妈让我问你周末回不回来吃饭，她买了排骨和莲藕", "category": "personal", "id": "mother"},
]


def near_copies(*, first_held_out: bool, joined_held_out: bool) -> tuple[str, str]:
    """Gives a text and a near-copy whose arrival changes the id of their campaign, with what hashes say of both ids."""
    draw = random.Random(1)
    while True:
        one, other = ("".join(draw.sample(START, 1)) + START + chr(0x4E00 + draw.randrange(2000)) for _ in range(2))
        first, second = shapes([one, other])
        if (
            second.fingerprint < first.fingerprint
            and is_held_out(campaign_name(first.fingerprint)) is first_held_out
            and is_held_out(campaign_name(second.fingerprint)) is joined_held_out
            and set(first.bands) & set(second.bands)
            and are_near(first.signature, [second.signature])[0]
        ):
            return one, other


FIRST, SECOND = near_copies(first_held_out=False, joined_held_out=True)


def hand_in(ingestion, text):
    ingestion.import_lines([{"text": text, "category": "promotion", "id": text}])


def texts(ingestion, snapshot, *, held_out):
    return {row["text"] for row in ingestion.rows(snapshot["id"]) if row["held_out"] is held_out}


@pytest.fixture
def learned_from(ingestion):
    """A service with one snapshot, from which a model learned FIRST."""
    ingestion.import_lines(OTHERS)
    hand_in(ingestion, FIRST)
    assert FIRST in texts(ingestion, ingestion.freeze(), held_out=False)
    return ingestion


def test_what_was_learned_from_is_not_held_out_when_a_near_copy_changes_the_id(learned_from):
    (before,) = {row["campaign"] for row in learned_from.rows() if row["text"] == FIRST}
    hand_in(learned_from, SECOND)
    snapshot = learned_from.freeze()
    rows = {row["text"]: row for row in learned_from.rows(snapshot["id"])}
    assert rows[FIRST]["campaign"] == rows[SECOND]["campaign"] != before
    assert is_held_out(rows[FIRST]["campaign"])
    assert texts(learned_from, snapshot, held_out=False) >= {FIRST, SECOND}
    assert snapshot["held_out"] == len(texts(learned_from, snapshot, held_out=True))


def test_it_is_not_held_out_either_when_the_report_is_withdrawn_and_comes_again(learned_from):
    """What the database remembers is the pattern, not the report."""
    with learned_from.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM reports WHERE category = 'promotion'")
    hand_in(learned_from, SECOND)
    hand_in(learned_from, FIRST)
    snapshot = learned_from.freeze()
    assert texts(learned_from, snapshot, held_out=False) >= {FIRST, SECOND}


def test_without_an_earlier_snapshot_the_hash_alone_decides(ingestion):
    ingestion.import_lines(OTHERS)
    hand_in(ingestion, FIRST)
    hand_in(ingestion, SECOND)
    assert texts(ingestion, ingestion.freeze(), held_out=True) >= {FIRST, SECOND}


def test_a_snapshot_that_failed_gave_nothing_to_learn(ingestion, monkeypatch):
    ingestion.import_lines(OTHERS)
    hand_in(ingestion, FIRST)

    def fails(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SnapshotFolder, "keep", fails)
        assert ingestion.post("/snapshots").status_code == 507
    hand_in(ingestion, SECOND)
    assert texts(ingestion, ingestion.freeze(), held_out=True) >= {FIRST, SECOND}


def test_what_was_held_out_may_be_learned_from_later(ingestion):
    one, other = near_copies(first_held_out=True, joined_held_out=False)
    ingestion.import_lines(OTHERS)
    hand_in(ingestion, one)
    assert one in texts(ingestion, ingestion.freeze(), held_out=True)
    hand_in(ingestion, other)
    assert texts(ingestion, ingestion.freeze(), held_out=False) >= {one, other}


def test_a_snapshot_that_another_one_overtakes_is_drawn_anew(ingestion, monkeypatch):
    """Else it would hold out what the other one, drawn before the near-copy came, gave to learn from."""
    ingestion.import_lines(OTHERS)
    hand_in(ingestion, FIRST)
    keep = SnapshotFolder.keep
    first_is_drawn, second_is_drawn = Event(), Event()

    def keep_in_turn(folder, draft, snapshot_id):
        if not first_is_drawn.is_set():
            first_is_drawn.set()
            second_is_drawn.wait(10)
        elif not second_is_drawn.is_set():
            second_is_drawn.set()
            first.result(10)
        keep(folder, draft, snapshot_id)

    monkeypatch.setattr(SnapshotFolder, "keep", keep_in_turn)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ingestion.freeze)
        first_is_drawn.wait(10)
        hand_in(ingestion, SECOND)
        second = ingestion.freeze()
    assert FIRST in texts(ingestion, first.result(), held_out=False)
    assert FIRST not in texts(ingestion, second, held_out=True)


def test_a_known_snapshot_that_is_frozen_again_is_remembered_too(learned_from):
    """The database may have forgotten, as one that was migrated without its labels."""
    with learned_from.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE patterns SET in_training = (1 = 0)")
    assert learned_from.post("/snapshots").status_code == 200
    hand_in(learned_from, SECOND)
    assert FIRST in texts(learned_from, learned_from.freeze(), held_out=False)


def test_what_was_learned_from_before_the_database_remembered_is_marked_by_the_migration(learned_from):
    config = _alembic_config(MIGRATIONS)
    with learned_from.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    migrate(learned_from.settings)
    hand_in(learned_from, SECOND)
    assert FIRST in texts(learned_from, learned_from.freeze(), held_out=False)
