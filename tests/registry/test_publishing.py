"""Database and published repository agree in the end, whatever is killed when, and no phone ever goes backwards."""

import fcntl
import json
import shutil
import stat
import threading
from pathlib import Path

import pytest

from mobile_model.updater import UpdateKind
from mobile_model.updater.errors import ExpiredMetadataError
from services.registry import operations, store
from services.registry.app import create_app, migrate, new_publisher
from services.registry.files import Disk
from services.registry.metadata import BrokenRepositoryError, DevelopmentKeysError, NoRepositoryError
from services.registry.publishing import Resigning, channel_file
from services.registry.repository import KEPT_VERSIONS, Repository
from services.registry.signing import ROLES, KeyFolder
from shared.database import open_engine, reading
from shared.release_card import ChannelFile
from tests.registry.candidates import good_evidence, make_candidate
from tests.registry.conftest import Clock, Phone, Registry, new_phone, settings_in
from tests.registry.dying_disk import DyingDisk, Killed

FIRST = make_candidate(1)
SECOND = make_candidate(2, evidence=good_evidence(FIRST.version))


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite in the registry's folder, so that a copy of the folder is a copy of everything."""
    return f"sqlite:///{tmp_path / 'registry' / 'registry.sqlite'}"


def published_channel(registry: "Registry | Desk", name: str = "stable") -> ChannelFile:
    """What phones read, found the way a phone finds it."""
    repository = Repository(registry.settings.publish_dir, KeyFolder(Path(), Disk()), registry.clock, Disk())
    targets = repository.published().targets
    assert targets is not None
    file = targets.signed.targets[f"channels/{name}.json"]
    folder = registry.settings.publish_dir / "targets" / "channels"
    return ChannelFile.from_json((folder / f"{file.hashes['sha256']}.{name}.json").read_bytes())


def assert_agrees(registry: Registry) -> None:
    told = registry.get("/channels/stable").json
    shown = published_channel(registry)
    assert (told["release"], told["candidate"], told["percentage"], tuple(told["withdrawn"])) == (
        shown.release,
        shown.candidate,
        shown.percentage,
        shown.withdrawn,
    )
    assert registry.app.test_client().get("/readyz").status_code == 200


def with_first_release(registry: Registry) -> None:
    assert registry.submit(FIRST).json["state"] == "accepted"
    assert registry.promote(FIRST).status_code == 200
    assert registry.submit(SECOND).json["state"] == "accepted"


class Desk:
    """A registry without its HTTP, in a copy of another's folder: quick to start again after it was killed."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        shutil.copytree(registry.settings.keys_file.parent, folder)
        self.settings = settings_in(folder)
        self.clock = Clock(registry.clock.at)
        self.actor = operations.Actor("publisher", self.clock())

    def start(self, disk: Disk | None = None) -> None:
        self.engine = open_engine(self.settings.database_url)
        self.publisher = new_publisher(self.settings, self.engine, self.clock, disk or Disk())
        self.publisher.prepare()

    def promote(self, percentage: int = 100) -> None:
        self.publisher.change(
            lambda session: operations.promote_release(session, "stable", SECOND.version, percentage, self.actor)
        )

    def withdraw(self) -> None:
        self.publisher.change(
            lambda session: operations.withdraw_release(session, FIRST.version, "a fault", self.actor)
        )

    def channel(self) -> ChannelFile:
        """What the database says."""
        with reading(self.engine) as session:
            return channel_file(operations.find_channel(session, "stable"), store.withdrawn_versions(session))

    def agrees(self) -> bool:
        return self.channel() == published_channel(self) and self.publisher.complaint() is None


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


def test_development_keys_are_made_on_first_run_for_their_owner_alone(registry):
    files = list(registry.settings.tuf_keys_dir.iterdir())
    assert sorted(file.name.partition("-")[0] for file in files) == sorted(ROLES)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_production_refuses_development_keys(registry):
    production = settings_in(registry.settings.keys_file.parent, production=True)
    with pytest.raises(DevelopmentKeysError, match="production refuses"):
        create_app(production, now=registry.clock)


def test_production_makes_no_keys_by_itself(settings):
    production = settings_in(settings.keys_file.parent, production=True)
    migrate(production)
    with pytest.raises(NoRepositoryError, match="keys init"):
        create_app(production)
    assert not production.tuf_keys_dir.exists()


class TestRotation:
    @pytest.mark.parametrize("role", ROLES)
    def test_a_phone_follows_a_rotation_by_itself(self, registry, phone, role):
        with_first_release(registry)
        phone.update()
        keys = KeyFolder(registry.settings.tuf_keys_dir, Disk())
        repository = Repository(registry.settings.publish_dir, keys, registry.clock, Disk())
        before = repository.published().root.signed.roles[role].keyids
        assert repository.rotate(role, keys) == 2
        assert repository.published().root.signed.roles[role].keyids != before
        assert len(list(registry.settings.tuf_keys_dir.glob(f"{role}-*.pem"))) == 1
        phone.update()
        registry.promote(SECOND)
        phone.update()
        assert phone.version == SECOND.version

    @pytest.mark.parametrize("role", ROLES)
    def test_a_rotation_killed_between_any_two_writes_never_locks_phones_out(self, registry, tmp_path, role):
        with_first_release(registry)
        for last_move in range(60):
            again = Desk(registry, tmp_path / str(last_move))
            phone = new_phone(again, tmp_path / f"phone {last_move}")
            disk = DyingDisk(last_move)
            keys = KeyFolder(again.settings.tuf_keys_dir, disk)
            try:
                Repository(again.settings.publish_dir, keys, again.clock, disk).rotate(role, keys)
            except Killed:
                phone.update()
                again.start()
                phone.update()
                assert phone.version == FIRST.version
                keys = KeyFolder(again.settings.tuf_keys_dir, Disk())
                Repository(again.settings.publish_dir, keys, again.clock, Disk()).rotate(role, keys)
                phone.update()
            else:
                break
        assert last_move > 3

    @pytest.mark.parametrize("role", ROLES[1:])
    def test_a_lost_key_is_replaced_with_the_root_key(self, registry, phone, role):
        with_first_release(registry)
        phone.update()
        for file in registry.settings.tuf_keys_dir.glob(f"{role}-*.pem"):
            file.unlink()
        keys = KeyFolder(registry.settings.tuf_keys_dir, Disk())
        Repository(registry.settings.publish_dir, keys, registry.clock, Disk()).rotate(role, keys)
        phone.update()
        registry.promote(SECOND)
        phone.update()
        assert phone.version == SECOND.version


class TestOfflineTargetsKey:
    @pytest.fixture
    def taken_away(self, registry, tmp_path) -> Path:
        with_first_release(registry)
        away = tmp_path / "stick"
        away.mkdir()
        for file in registry.settings.tuf_keys_dir.glob("targets-*.pem"):
            file.rename(away / file.name)
        return away

    @pytest.mark.usefixtures("taken_away")
    def test_promoting_without_the_targets_key_changes_nothing(self, registry: Registry):
        answer = registry.promote(SECOND)
        assert answer.status_code == 409
        assert answer.json["type"] == "urn:quietline:problem:key-offline"
        assert str(registry.settings.tuf_keys_dir) not in answer.text
        assert_agrees(registry)

    def test_bringing_the_key_lets_the_promotion_through(self, registry: Registry, phone: Phone, taken_away: Path):
        for file in taken_away.iterdir():
            shutil.copy(file, registry.settings.tuf_keys_dir)
        assert registry.promote(SECOND).status_code == 200
        phone.update()
        assert phone.version == SECOND.version

    @pytest.mark.usefixtures("taken_away")
    def test_the_registry_goes_on_without_it_for_a_year(self, registry: Registry, phone: Phone):
        for _ in range(10):
            registry.clock.pass_by(days=30)
            registry.start()
            phone.update()
        assert phone.version == FIRST.version

    def test_a_promotion_killed_before_it_was_shown_waits_for_the_key(self, registry: Registry, tmp_path: Path):
        with_first_release(registry)
        waited = 0
        for last_move in range(100):
            again = Desk(registry, tmp_path / str(last_move))
            again.start(DyingDisk(last_move))
            try:
                again.promote()
            except Killed:
                [key] = again.settings.tuf_keys_dir.glob("targets-*.pem")
                content = key.read_bytes()
                key.unlink()
                again.start()
                if again.channel().release == SECOND.version:
                    waited += 1
                    assert "phones do not see the newest change yet" in again.publisher.complaint()
                    key.write_bytes(content)
                    again.start()
                assert again.agrees()
            else:
                break
        assert waited == 1, "only the last rename comes after the commit"


def test_published_metadata_is_plain_json_that_names_its_key(registry):
    root = json.loads((registry.settings.publish_dir / "metadata" / "1.root.json").read_bytes())
    assert root["signed"]["consistent_snapshot"] is True
    assert {key["scheme"] for key in root["signed"]["keys"].values()} == {"ecdsa-sha2-nistp256"}
