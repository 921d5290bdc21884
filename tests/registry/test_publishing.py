"""Database and published repository agree in the end, whatever is killed when, and no phone ever goes backwards."""

import fcntl
import shutil
import threading
from pathlib import Path

import pytest

from mobile_model.updater import UpdateKind
from mobile_model.updater.errors import ExpiredMetadataError
from services.registry.app import new_publisher
from services.registry.files import Disk
from services.registry.metadata import BrokenRepositoryError
from services.registry.publishing import Resigning
from services.registry.repository import KEPT_VERSIONS
from shared.database import open_engine
from tests.registry.candidates import FIRST, SECOND, good_evidence, make_candidate
from tests.registry.conftest import Registry, new_phone
from tests.registry.desk import Desk, assert_agrees, published_channel, with_first_release
from tests.registry.dying_disk import DyingDisk, Killed


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite in the registry's folder, so that a copy of the folder is a copy of everything."""
    return f"sqlite:///{tmp_path / 'registry' / 'registry.sqlite'}"


MOVES = {"promote": Desk.promote, "roll out": lambda desk: desk.promote(60), "withdraw": Desk.withdraw}


@pytest.mark.parametrize("move", MOVES)
def test_a_move_killed_between_any_two_writes_is_completed_or_forgotten_at_the_next_start(registry, tmp_path, move):
    with_first_release(registry)
    before, outcomes = published_channel(registry), set()
    for last_move in range(100):
        again = Desk(registry, tmp_path / str(last_move))
        phone = new_phone(again, tmp_path / f"phone {last_move}")
        again.start(DyingDisk(last_move))
        phone.update()
        try:
            MOVES[move](again)
        except Killed:
            phone.update()
            again.start()
            outcomes.add(again.channel() == before)
            assert again.agrees()
            phone.update()
            MOVES[move](again)
            assert again.agrees()
            phone.update()
        else:
            break
    assert last_move > 5
    assert outcomes == {True, False}, "some were completed and some forgotten"


def test_a_full_disk_leaves_database_and_phones_as_they_were(registry, phone):
    with_first_release(registry)
    registry.start(DyingDisk(1, OSError))
    answer = registry.promote(SECOND)
    assert answer.status_code == 507
    registry.start()
    assert_agrees(registry)
    assert registry.get("/channels/stable").json["release"] == FIRST.version
    phone.update()
    assert phone.version == FIRST.version


def count_moves_of_promotion(registry: Registry, folder: Path) -> int:
    trial, disk = Desk(registry, folder), DyingDisk(10_000)
    trial.start(disk)
    trial.promote()
    return 10_000 - disk.moves_left


def test_a_disk_that_fills_up_at_the_last_step_is_told_and_made_good(registry, phone, tmp_path):
    with_first_release(registry)
    moves = count_moves_of_promotion(registry, tmp_path / "trial")
    registry.start(DyingDisk(moves - 1, OSError))
    answer = registry.promote(SECOND)
    assert answer.status_code == 503
    assert answer.json["type"] == "urn:quietline:problem:not-yet-published"
    assert registry.app.test_client().get("/readyz").status_code == 503
    assert registry.get("/channels/stable").json["release"] == SECOND.version
    registry.start()
    assert_agrees(registry)
    phone.update()
    assert phone.version == SECOND.version


def test_promotions_at_the_same_time_happen_one_after_the_other(registry, phone):
    with_first_release(registry)
    others = [make_candidate(number, evidence=good_evidence(FIRST.version)) for number in range(3, 9)]
    for candidate in others:
        assert registry.submit(candidate).json["state"] == "accepted"
    barrier = threading.Barrier(len(others))
    answers = []

    def promote(candidate):
        barrier.wait()
        answers.append(registry.promote(candidate).status_code)

    threads = [threading.Thread(target=promote, args=(candidate,)) for candidate in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * len(others)
    assert_agrees(registry)
    history = registry.get("/channels/stable/history").json["items"]
    assert len(history) == len(others) + 1
    phone.update()
    assert phone.version == history[0]["version"]


class WatchingDisk(Disk):
    """Looks at every move whether the repository is locked."""

    def __init__(self, lock_file: Path) -> None:
        self.lock_file = lock_file
        self.locked_moves = 0

    def put_in_place(self, draft: Path, path: Path) -> None:
        if path.parent.name == "metadata":
            with self.lock_file.open("ab") as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.locked_moves += 1
        super().put_in_place(draft, path)


def test_nothing_is_published_but_under_the_lock(registry):
    with_first_release(registry)
    disk = WatchingDisk(registry.settings.publish_dir / ".lock")
    registry.clock.pass_by(days=2)
    registry.start(disk)
    assert disk.locked_moves == 1, "only the timestamp had grown old"
    registry.promote(SECOND)
    assert disk.locked_moves == 4


def test_metadata_that_grows_old_while_the_registry_is_off_is_signed_again_at_start(registry, phone):
    with_first_release(registry)
    phone.update()
    registry.clock.pass_by(days=200)
    with pytest.raises(ExpiredMetadataError):
        phone.update()
    assert phone.version == FIRST.version
    registry.start()
    phone.update()
    assert phone.version == FIRST.version
    assert registry.app.test_client().get("/readyz").status_code == 200


def test_expired_metadata_makes_the_service_unready(registry):
    registry.clock.pass_by(days=4)
    answer = registry.app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "signatures have expired: timestamp" in answer.json["detail"]


def test_metadata_that_is_fresh_is_not_signed_again(registry):
    before = sorted(registry.settings.publish_dir.rglob("*"))
    timestamp = (registry.settings.publish_dir / "metadata" / "timestamp.json").read_bytes()
    registry.clock.pass_by(hours=23)
    registry.start()
    assert (registry.settings.publish_dir / "metadata" / "timestamp.json").read_bytes() == timestamp
    assert sorted(registry.settings.publish_dir.rglob("*")) == before


def test_a_phone_can_follow_at_any_time_over_a_year_of_signing(registry, phone):
    with_first_release(registry)
    publisher = new_publisher(registry.settings, open_engine(registry.settings.database_url), registry.clock, Disk())
    for _ in range(130):
        registry.clock.pass_by(days=3)
        publisher.refresh()
        if registry.clock.at.day < 4:
            phone.update()
    assert phone.update().kind is UpdateKind.KEPT
    metadata = registry.settings.publish_dir / "metadata"
    assert len(list(metadata.glob("*.root.json"))) == 2
    assert len(list(metadata.glob("*.snapshot.json"))) <= KEPT_VERSIONS + 1
    assert len(list(metadata.glob("*.targets.json"))) <= KEPT_VERSIONS + 1


def test_the_resigning_job_refreshes_at_once_and_stops_when_told():
    class Refreshed:
        def __init__(self) -> None:
            self.times = threading.Semaphore(0)

        def refresh(self) -> None:
            self.times.release()

    publisher = Refreshed()
    resigning = Resigning(publisher)
    resigning.start()
    assert publisher.times.acquire(timeout=5)
    resigning.stop()
    assert not any(thread.name == "resigning" for thread in threading.enumerate())


def test_files_of_releases_that_no_channel_offers_are_swept_once_phones_had_time(registry):
    with_first_release(registry)
    registry.promote(SECOND)
    targets = registry.settings.publish_dir / "targets" / "releases"
    assert (targets / FIRST.version).exists()
    for percentage in range(1, KEPT_VERSIONS + 2):
        assert (targets / FIRST.version).exists()
        registry.promote(SECOND, percentage, channel="beta")
    assert not list((targets / FIRST.version).glob("*"))
    assert list((targets / SECOND.version).glob("*"))


def test_a_lost_timestamp_is_reported_and_not_papered_over(registry):
    with_first_release(registry)
    (registry.settings.publish_dir / "metadata" / "timestamp.json").unlink()
    with pytest.raises(BrokenRepositoryError, match=r"timestamp\.json is gone"):
        registry.start()


def test_a_stored_model_that_is_lost_is_told_in_words(registry):
    with_first_release(registry)
    shutil.rmtree(registry.settings.candidates_url)
    answer = registry.promote(SECOND)
    assert answer.status_code == 503
    assert answer.json["type"] == "urn:quietline:problem:model-lost"
    assert_agrees(registry)
