"""A mirror of old files, a thief of one key and a wrong clock are each found out, and the phone goes on."""

from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from mobile_model.updater import update
from mobile_model.updater.errors import (
    ChangedFileError,
    EndlessFileError,
    ExpiredMetadataError,
    MalformedMetadataError,
    MixedMetadataError,
    OlderMetadataError,
    TruncatedFileError,
    WrongClockError,
    WrongSignatureError,
)
from tests.mobile_model.updater.repository_simulator import METADATA, MODEL, make_model


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
