"""What a careless or bribed publisher signs, with all keys, is refused if it is no release that a phone can use."""

import gzip
import tracemalloc
from datetime import timedelta

import pytest

from mobile_model.updater.errors import (
    EndlessFileError,
    MissingFileError,
    UnfitReleaseError,
    UnknownChannelError,
    WrongClockError,
)
from shared.release_card import MAX_COMPRESSED_MODEL_BYTES, MAX_MODEL_BYTES
from tests.mobile_model.updater.repository_simulator import CARD, CHANNEL, MODEL, Repository, make_model


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


def test_a_clock_a_week_behind_a_release_is_refused(victim, repository):
    sign_release(repository, created_at=repository.clock() + timedelta(days=7))
    with pytest.raises(WrongClockError, match="from the future"):
        victim.update()
