"""Whatever a network or a thief of some keys can do is refused with an error of its own, and the phone goes on."""

import errno
import gzip
import itertools
import json
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata

from mobile_model.updater import errors, update
from mobile_model.updater.disk import Disk
from mobile_model.updater.errors import (
    ChangedFileError,
    DiskError,
    DiskFullError,
    EndlessFileError,
    ExpiredMetadataError,
    MalformedMetadataError,
    MissingFileError,
    MixedMetadataError,
    OlderMetadataError,
    TooSlowError,
    TruncatedFileError,
    UnfitReleaseError,
    UnknownChannelError,
    UnreachableError,
    UpdateError,
    WrongClockError,
    WrongSignatureError,
)
from mobile_model.updater.store import PhoneStore
from shared.release_card import MAX_COMPRESSED_MODEL_BYTES, MAX_MODEL_BYTES
from tests.mobile_model.updater.conftest import Phone
from tests.mobile_model.updater.repository_simulator import Repository, make_model

CHUNK = bytes(10_000)


@pytest.fixture
def victim(phone: Phone, repository: Repository) -> Phone:
    """A phone with a good release, while the publisher has just published another."""
    repository.offer(repository.add_release(1))
    phone.update()
    repository.clock.pass_by(hours=1)
    repository.offer(repository.add_release(2))
    return phone


def change_a_byte(content: bytes) -> Iterator[bytes]:
    middle = len(content) // 2
    yield content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut_off(content: bytes) -> Iterator[bytes]:
    yield content[:-10]


def never_end(content: bytes) -> Iterator[bytes]:
    yield content
    yield from itertools.repeat(CHUNK)


def break_off(content: bytes) -> Iterator[bytes]:
    yield content[:10]
    raise TruncatedFileError("the connection broke off")


def time_out(content: bytes) -> Iterator[bytes]:
    yield content[:10]
    raise TooSlowError("nothing came any more")


def no_network(_content: bytes) -> Iterator[bytes]:
    raise UnreachableError("no network")
    yield b""


def refuse(status: int) -> Callable[[bytes], Iterator[bytes]]:
    def answer(_content: bytes) -> Iterator[bytes]:
        raise DownloadHTTPError(f"{status}", status)
        yield b""

    return answer


def html(_content: bytes) -> Iterator[bytes]:
    yield b"<html>Please log in to the hotel's network</html>"


METADATA = ("timestamp", "snapshot", "targets")
MODEL, CARD, CHANNEL = "model.onnx.gz", "card.json", "channels/stable.json"


def path_of(repository: Repository, what: str) -> str:
    if what in METADATA:
        return repository.metadata_path(what)
    newest = [path for path in repository.targets if path.endswith(what)][-1]
    return repository.target_path(newest)


ON_THE_WIRE = [
    *((what, change_a_byte, ChangedFileError) for what in (MODEL, CARD, CHANNEL)),
    *((what, change_a_byte, MixedMetadataError) for what in ("snapshot", "targets")),
    ("timestamp", change_a_byte, (WrongSignatureError, MalformedMetadataError)),
    *((what, cut_off, TruncatedFileError) for what in (MODEL, CARD, CHANNEL)),
    *((what, cut_off, MixedMetadataError) for what in ("snapshot", "targets")),
    ("timestamp", cut_off, MalformedMetadataError),
    *((what, never_end, EndlessFileError) for what in (MODEL, CARD, CHANNEL, *METADATA)),
    *((what, break_off, TruncatedFileError) for what in (MODEL, CARD, CHANNEL, *METADATA)),
    *((what, time_out, TooSlowError) for what in (MODEL, CARD, CHANNEL, *METADATA)),
    *((what, no_network, UnreachableError) for what in (MODEL, CARD, CHANNEL, *METADATA)),
    *((what, refuse(404), MissingFileError) for what in (MODEL, CARD, CHANNEL, *METADATA)),
    *((what, refuse(503), UnreachableError) for what in (MODEL, CARD, CHANNEL, *METADATA)),
    ("timestamp", html, MalformedMetadataError),
]


@pytest.mark.parametrize(
    ("what", "how", "error"), ON_THE_WIRE, ids=lambda part: getattr(part, "__name__", None) or str(part)
)
def test_what_happens_on_the_wire_is_refused_and_the_phone_goes_on(victim, repository, what, how, error):
    before = victim.store.current()
    repository.tampered[path_of(repository, what)] = how
    with pytest.raises(error) as caught:
        victim.update()
    assert "\n" not in str(caught.value)
    assert victim.store.current() == before
    repository.tampered.clear()
    victim.update()
    assert victim.store.current().model == make_model(2)


def test_an_endless_file_is_left_after_what_was_announced(victim, repository):
    path = path_of(repository, MODEL)
    sent = []

    def count(content: bytes) -> Iterator[bytes]:
        for chunk in never_end(content):
            sent.append(len(chunk))
            yield chunk

    repository.tampered[path] = count
    with pytest.raises(EndlessFileError):
        victim.update()
    assert sum(sent) <= len(repository.files[path]) + len(CHUNK)


def test_an_endless_root_is_left_too(victim, repository):
    repository.rotate("root")
    repository.tampered["metadata/2.root.json"] = never_end
    with pytest.raises(EndlessFileError):
        victim.update()
    assert victim.store.current().model == make_model(1)


# What a mirror can do with files that were once signed.


def test_older_metadata_is_refused(victim, repository):
    past = repository.remember()
    repository.offer(repository.add_release(3))
    victim.update()
    repository.files = past
    with pytest.raises(OlderMetadataError):
        victim.update()
    assert victim.store.current().model == make_model(3)


def test_a_frozen_mirror_is_found_out_when_its_timestamp_expires(victim, repository):
    victim.update()
    repository.clock.pass_by(days=2)
    victim.update()
    repository.clock.pass_by(days=1, minutes=1)
    with pytest.raises(ExpiredMetadataError):
        victim.update()
    assert victim.store.current().model == make_model(2)
    assert victim.store.current().age(repository.clock()) > timedelta(days=30)


@pytest.mark.parametrize("role", ["root", *METADATA])
def test_nothing_is_adopted_under_expired_metadata(victim, repository, role):
    repository.lifetimes = dict.fromkeys(repository.lifetimes, timedelta(days=20)) | {role: timedelta(hours=1)}
    if role == "root":
        repository.publish_root([repository.signers["root"]])
    repository.publish()
    repository.clock.pass_by(hours=2)
    with pytest.raises(ExpiredMetadataError):
        victim.update()
    assert victim.store.current().model == make_model(1)


@pytest.mark.parametrize("with_digests", [True, False])
@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_mixed_metadata_is_refused(victim, repository, role, with_digests):
    repository.with_digests = with_digests
    repository.publish()
    older = repository.files[repository.metadata_path(role)]
    repository.offer(repository.add_release(3))
    repository.files[repository.metadata_path(role)] = older
    with pytest.raises(MixedMetadataError):
        victim.update()
    assert victim.store.current().model == make_model(1)


def test_a_snapshot_that_goes_back_in_time_is_refused_even_if_it_is_signed(victim, repository):
    victim.update()
    repository.versions["targets"] = 0
    repository.publish()
    with pytest.raises(MixedMetadataError):
        victim.update()
    assert victim.store.current().model == make_model(2)


def test_a_release_cannot_be_passed_off_as_another(victim, repository):
    good, other = sorted(path for path in repository.targets if path.endswith(MODEL))
    repository.files[repository.target_path(other)] = repository.files[repository.target_path(good)]
    with pytest.raises((ChangedFileError, TruncatedFileError, EndlessFileError)):
        victim.update()
    assert victim.store.current().model == make_model(1)


# What a thief of one key can do.


@pytest.mark.parametrize("role", ["root", *METADATA])
def test_a_wrong_key_is_refused(victim, repository, role):
    thief = CryptoSigner.generate_ed25519()
    if role == "root":
        repository.publish_root([thief])
    else:
        repository.signers[role] = thief
        repository.publish()
    with pytest.raises(WrongSignatureError):
        victim.update()
    assert victim.store.current().model == make_model(1)


def test_no_signature_at_all_is_refused(victim, repository):
    path = repository.metadata_path("timestamp")
    metadata = Metadata.from_bytes(repository.files[path])
    metadata.signatures.clear()
    repository.files[path] = metadata.to_bytes()
    with pytest.raises(WrongSignatureError):
        victim.update()


def test_a_timestamp_in_the_place_of_a_snapshot_is_refused(victim, repository):
    repository.with_digests = False
    repository.publish()
    repository.files[repository.metadata_path("snapshot")] = repository.files["metadata/timestamp.json"]
    with pytest.raises(MalformedMetadataError):
        victim.update()


# What a careless or bribed publisher can do, with all keys.


def sign_release(repository: Repository, **changed: object) -> None:
    repository.offer(repository.add_release(9, **changed))


def replace_newest(repository: Repository, name: str, content: bytes) -> None:
    [path] = [path for path in repository.targets if path.endswith(name) and path.startswith("releases/2025")][-1:]
    repository.targets[path] = content
    repository.publish()


def test_a_model_that_unpacks_without_end_is_refused(victim, repository):
    bomb = gzip.compress(bytes(200_000_000))
    assert len(bomb) < MAX_COMPRESSED_MODEL_BYTES
    replace_newest(repository, MODEL, bomb)
    tracemalloc.start()
    with pytest.raises(UnfitReleaseError, match="does not unpack"):
        victim.update()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 10_000_000
    assert victim.store.current().model == make_model(1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(make_model(1)),
        gzip.compress(make_model(2))[:-4],
        gzip.compress(make_model(2)) + b"more",
        gzip.compress(make_model(2)[:-1]),
    ],
    ids=["empty", "no gzip", "another model", "cut off", "followed", "shorter"],
)
def test_a_model_that_is_not_the_one_of_its_card_is_refused(victim, repository, content):
    replace_newest(repository, MODEL, content)
    with pytest.raises(UnfitReleaseError):
        victim.update()
    assert victim.store.current().model == make_model(1)


def test_a_signed_file_that_is_too_long_is_not_even_fetched(victim, repository):
    replace_newest(repository, MODEL, bytes(MAX_COMPRESSED_MODEL_BYTES + 1))
    repository.asked.clear()
    with pytest.raises(EndlessFileError, match="the phone takes at most"):
        victim.update()
    assert not any("model" in path for path in repository.asked)


def test_a_model_that_is_too_large_is_refused(victim, repository):
    sign_release(repository, model=bytes(MAX_MODEL_BYTES + 1))
    with pytest.raises(UnfitReleaseError, match="the phone takes at most"):
        victim.update()


@pytest.mark.parametrize("card", [b"", b"{}", b"[" * 50_000, b"\xff", b'{"requires_client": "soon"}', b"null"])
def test_a_card_that_is_none_is_refused(victim, repository, card):
    replace_newest(repository, CARD, card)
    with pytest.raises(UnfitReleaseError):
        victim.update()
    assert victim.store.current().model == make_model(1)


def test_a_card_of_another_release_is_refused(victim, repository):
    first = next(path for path in repository.targets if path.endswith(CARD))
    replace_newest(repository, CARD, repository.targets[first])
    with pytest.raises(UnfitReleaseError, match="says that it is"):
        victim.update()


def test_a_release_that_is_named_but_not_signed_is_refused(victim, repository):
    version = repository.add_release(9)
    del repository.targets[f"releases/{version}/{MODEL}"]
    repository.offer(version)
    with pytest.raises(MissingFileError, match="not among the signed files"):
        victim.update()


def test_a_source_without_the_channel_is_refused(victim, repository):
    del repository.targets[CHANNEL]
    repository.publish()
    with pytest.raises(UnknownChannelError):
        victim.update()
    assert victim.store.current().model == make_model(1)


@pytest.mark.parametrize("channel", [b"", b"{}", b"[" * 50_000, b'{"format": "quietline-channel/2"}'])
def test_a_channel_in_an_unknown_format_is_refused(victim, repository, channel):
    repository.targets[CHANNEL] = channel
    repository.publish()
    with pytest.raises(UnfitReleaseError):
        victim.update()
    assert victim.store.current().model == make_model(1)


# Clocks.


def test_a_clock_a_year_ahead_is_told_from_a_frozen_mirror(victim, repository):
    truth = repository.clock()
    repository.source_time = truth
    with pytest.raises(WrongClockError, match="the phone's clock says 2026-06-01, the source's 2025-06-01"):
        update(victim.store, fetcher=repository, now=lambda: truth + timedelta(days=365))
    assert victim.store.current().model == make_model(1)


def test_a_source_cannot_talk_a_phone_into_trusting_by_its_clock(victim, repository):
    repository.clock.pass_by(days=10)
    repository.source_time = repository.clock() - timedelta(days=10)
    with pytest.raises(WrongClockError):
        victim.update()
    assert victim.store.current().model == make_model(1)


def test_a_clock_a_year_behind_is_refused(victim, repository):
    truth = repository.clock()
    with pytest.raises(WrongClockError, match="set the clock"):
        update(victim.store, fetcher=repository, now=lambda: truth - timedelta(days=365))
    assert victim.store.current().model == make_model(1)


def test_a_clock_a_week_behind_a_release_is_refused(victim, repository):
    sign_release(repository, created_at=repository.clock() + timedelta(days=7))
    with pytest.raises(WrongClockError, match="from the future"):
        victim.update()


# Disks.


class FullDisk(Disk):
    """A disk on which some move finds no room, or another error."""

    def __init__(self, moves: int, code: int = errno.ENOSPC) -> None:
        self.moves_left = moves
        self.code = code

    def _move(self) -> None:
        if self.moves_left == 0:
            raise OSError(self.code, "No space left on device")
        self.moves_left -= 1

    def write(self, path, content):
        self._move()
        super().write(path, content)

    def write_folder(self, path, files):
        self._move()
        super().write_folder(path, files)

    def rename(self, draft, path):
        self._move()
        super().rename(draft, path)

    def remove_folder(self, path):
        self._move()
        super().remove_folder(path)


@pytest.mark.parametrize(
    ("code", "error"), [(errno.ENOSPC, DiskFullError), (errno.EDQUOT, DiskFullError), (errno.EIO, DiskError)]
)
def test_a_disk_that_fails_at_any_move_leaves_the_phone_with_a_good_release(victim, code, error):
    whole = victim.store
    for moves in itertools.count():
        victim.store = PhoneStore(whole.directory, FullDisk(moves, code))
        try:
            victim.update()
        except error:
            assert whole.current().model in {make_model(1), make_model(2)}
        else:
            break
    assert moves > 4
    assert whole.current().model == make_model(2)


@contextmanager
def files_of_at_most(max_bytes: int) -> Iterator[None]:
    """Lets the operating system itself refuse longer files, temporary ones included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("max_bytes", [0, 1, 300, 600, 2000, 5000, 6000])
def test_a_system_that_gives_no_more_room_is_a_full_disk(victim, max_bytes):
    with files_of_at_most(max_bytes), pytest.raises(DiskFullError, match="no room left"):
        victim.update()
    assert victim.store.current().model == make_model(1)
    victim.update()
    assert victim.store.current().model == make_model(2)


class Killed(BaseException):
    """SIGKILL, as far as the code can tell."""


class DyingDisk(FullDisk):
    def _move(self) -> None:
        if self.moves_left == 0:
            raise Killed
        self.moves_left -= 1


def test_an_update_killed_between_any_two_writes_leaves_a_whole_release_and_can_be_repeated(victim, repository):
    whole = victim.store
    for moves in itertools.count():
        victim.store = PhoneStore(whole.directory, DyingDisk(moves))
        try:
            victim.update()
        except Killed:
            assert whole.current() is not None
        else:
            break
        victim.store = whole
        victim.update()
        repository.offer(repository.add_release(moves + 10))
    assert moves > 4


def leaves(kind: type[UpdateError]) -> set[type[UpdateError]]:
    below = kind.__subclasses__()
    return {kind} if not below else set().union(*map(leaves, below))


def test_every_error_of_the_tree_is_drawn_where_it_is_defined():
    for error in leaves(UpdateError):
        assert f"+- {error.__name__} " in errors.__doc__


def test_what_was_published_is_what_the_specification_says(repository):
    timestamp = json.loads(repository.files["metadata/timestamp.json"])
    assert timestamp["signed"]["meta"]["snapshot.json"].keys() == {"version", "length", "hashes"}
