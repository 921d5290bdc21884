"""A phone is made once, from a root that someone trusts, and says so when its files are not what they were."""

import json
import stat

import pytest

from mobile_model.updater.errors import (
    AlreadyInitialisedError,
    DamagedStateError,
    InvalidRootError,
    NotInitialisedError,
    UnreachableError,
)
from mobile_model.updater.store import PhoneStore
from shared.release_card import root_fingerprint
from tests.mobile_model.updater.repository_simulator import SOURCE, Repository


@pytest.fixture
def store(tmp_path) -> PhoneStore:
    return PhoneStore(tmp_path / "phone")


def test_a_new_phone_shows_the_fingerprint_of_its_root(store, repository):
    shown = store.initialise(repository.root, SOURCE)
    assert shown == root_fingerprint(repository.root) == root_fingerprint(store.root())
    assert len(shown.split()) == 16
    assert store.is_initialised()
    assert store.current() is None
    assert store.settings().source == SOURCE


def test_draws_are_spread_over_all_shares(tmp_path, repository):
    draws = set()
    for number in range(40):
        store = PhoneStore(tmp_path / str(number))
        store.initialise(repository.root, SOURCE)
        draws.add(store.settings().draw)
    assert len(draws) > 15
    assert draws <= set(range(100))


def test_a_phone_that_is_there_is_not_overwritten_silently(phone, repository, clock):
    repository.offer(repository.add_release(1))
    phone.update()
    before = {path: path.read_bytes() for path in phone.store.directory.rglob("*") if path.is_file()}
    with pytest.raises(AlreadyInitialisedError, match="--replace"):
        phone.store.initialise(Repository(clock).root, SOURCE)
    assert {path: path.read_bytes() for path in phone.store.directory.rglob("*") if path.is_file()} == before


def test_replacing_a_phone_leaves_nothing_of_what_the_old_root_vouched_for(phone, repository, clock):
    repository.offer(repository.add_release(1))
    phone.update()
    other = Repository(clock)
    other.offer(other.add_release(2))
    phone.store.initialise(other.root, SOURCE, replace=True)
    assert phone.store.current() is None
    phone.repository = other
    phone.update()
    assert phone.store.current().card.version == other.add_release(2)


@pytest.mark.parametrize(
    "root",
    [b"", b"{}", b"[" * 100_000, b"\xff", b"x" * 600_000],
    ids=["empty", "no metadata", "nested", "binary", "long"],
)
def test_a_file_that_is_no_root_makes_no_phone(store, root):
    with pytest.raises(InvalidRootError):
        store.initialise(root, SOURCE)
    assert not store.directory.exists()


def test_metadata_of_another_role_makes_no_phone(store, repository):
    with pytest.raises(InvalidRootError, match="another role"):
        store.initialise(repository.files["metadata/timestamp.json"], SOURCE)


def test_a_root_that_was_changed_makes_no_phone(store, repository):
    root = json.loads(repository.root)
    root["signed"]["version"] = 7
    with pytest.raises(InvalidRootError, match="signed by its own keys"):
        store.initialise(json.dumps(root).encode(), SOURCE)


@pytest.mark.parametrize("source", ["", "tuf", "ftp://example.org/", "file:///etc", "http://", "http://[::1/"])
def test_a_source_that_is_no_address_makes_no_phone(store, repository, source):
    with pytest.raises(UnreachableError, match="is no address"):
        store.initialise(repository.root, source)
    assert not store.is_initialised()


def test_a_folder_without_a_phone_has_no_settings(store):
    with pytest.raises(NotInitialisedError):
        store.settings()
    assert store.current() is None


@pytest.mark.parametrize("content", [b"", b"{}", b'{"release": 5}', b"\xff"])
def test_a_damaged_state_is_an_error_and_not_an_empty_phone(phone, repository, content):
    repository.offer(repository.add_release(1))
    phone.update()
    (phone.store.directory / "current").write_bytes(content)
    with pytest.raises(DamagedStateError, match="phone update"):
        phone.store.current()


@pytest.mark.parametrize("name", ["model.onnx", "card.json"])
@pytest.mark.parametrize("content", [b"", b"changed", None])
def test_a_release_that_was_changed_on_the_phone_does_not_score(phone, repository, name, content):
    version = repository.add_release(1)
    repository.offer(version)
    phone.update()
    file = phone.store.release_folder(version) / name
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(DamagedStateError):
        phone.store.current()


def test_damaged_settings_are_an_error(phone):
    (phone.store.directory / "phone.json").write_text('{"draw": 100}')
    with pytest.raises(DamagedStateError):
        phone.store.settings()


def test_nothing_on_a_phone_can_be_executed(phone, repository):
    repository.offer(repository.add_release(1))
    phone.update()
    files = [path for path in phone.store.directory.rglob("*") if path.is_file()]
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o111 for path in files)
