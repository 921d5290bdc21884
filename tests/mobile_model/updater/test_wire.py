"""Whatever a network does to a file is refused with an error of its own, and the phone goes on."""

from collections.abc import Iterator

import pytest

from mobile_model.updater.errors import (
    ChangedFileError,
    EndlessFileError,
    MalformedMetadataError,
    MissingFileError,
    MixedMetadataError,
    TooSlowError,
    TruncatedFileError,
    UnreachableError,
    WrongSignatureError,
)
from tests.mobile_model.updater.repository_simulator import CARD, CHANNEL, METADATA, MODEL, Repository, make_model
from tests.mobile_model.updater.tampering import (
    CHUNK,
    break_off,
    change_a_byte,
    cut_off,
    html,
    never_end,
    no_network,
    refuse,
    time_out,
)


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
