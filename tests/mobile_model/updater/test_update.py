"""A phone follows its channel: new releases, rollouts, roll backs, withdrawals, rotated keys."""

import json

import pytest

from mobile_model.updater import UpdateKind
from mobile_model.updater.errors import BusyError, ClientTooOldError, NotInitialisedError
from mobile_model.updater.store import PhoneStore
from tests.mobile_model.updater.conftest import new_phone
from tests.mobile_model.updater.repository_simulator import ROLES, make_model


def test_the_first_release_is_adopted_with_its_exact_bytes(phone, repository):
    version = repository.add_release(1)
    repository.offer(version)
    outcome = phone.update()
    assert (outcome.kind, outcome.release, outcome.before) == (UpdateKind.ADOPTED, version, None)
    assert phone.store.current().model == make_model(1)
    assert phone.store.current().card.to_json() == repository.targets[f"releases/{version}/card.json"]


def test_nothing_new_costs_three_small_requests(phone, repository):
    repository.offer(repository.add_release(1))
    phone.update()
    repository.asked.clear()
    assert phone.update().kind is UpdateKind.KEPT
    assert repository.asked == [
        "metadata/2.root.json",
        "metadata/timestamp.json",
        repository.target_path("channels/stable.json"),
    ]


def test_an_empty_channel_is_told_in_words(phone):
    outcome = phone.update()
    assert outcome.kind is UpdateKind.EMPTY
    assert "every message is allowed" in outcome.describe()
    assert phone.version is None


@pytest.mark.parametrize(("draw", "takes_candidate"), [(0, True), (29, True), (30, False), (99, False)])
def test_a_rollout_reaches_the_phones_whose_draw_is_below_the_percentage(tmp_path, repository, draw, takes_candidate):
    phone = new_phone(tmp_path / "phone", repository, draw)
    old, new = repository.add_release(1), repository.add_release(2)
    repository.offer(old)
    phone.update()
    repository.offer(old, new, 30)
    outcome = phone.update()
    assert outcome.is_candidate is takes_candidate
    assert phone.version == (new if takes_candidate else old)
    repository.offer(old)
    phone.update()
    assert phone.version == old


def test_the_draw_is_made_once_and_never_sent(tmp_path, repository):
    phone = new_phone(tmp_path / "phone", repository, draw=73)
    repository.offer(repository.add_release(1), repository.add_release(2), 50)
    phone.update()
    phone.update()
    assert phone.store.settings().draw == 73
    assert not any("73" in path.partition("/")[0] for path in repository.asked)


def test_a_roll_back_is_newer_metadata_that_names_an_earlier_release(phone, repository):
    old, new = repository.add_release(1), repository.add_release(2)
    repository.offer(new)
    phone.update()
    repository.offer(old)
    assert phone.update().before == new
    assert phone.version == old


def test_going_back_to_the_release_before_downloads_no_model_again(phone, repository):
    old, new = repository.add_release(1), repository.add_release(2)
    for version in (old, new):
        repository.offer(version)
        phone.update()
    repository.offer(old)
    repository.asked.clear()
    phone.update()
    assert phone.version == old
    assert not any("model" in path for path in repository.asked)


def test_a_withdrawn_release_is_left_for_the_one_that_the_channel_names(phone, repository):
    old, new = repository.add_release(1), repository.add_release(2)
    repository.offer(new)
    phone.update()
    repository.offer(old, withdrawn=(new,))
    phone.update()
    assert phone.version == old


def test_a_withdrawn_release_is_left_for_nothing_if_the_channel_names_nothing(phone, repository):
    version = repository.add_release(1)
    repository.offer(version)
    phone.update()
    repository.offer(None, withdrawn=(version,))
    outcome = phone.update()
    assert outcome.kind is UpdateKind.LEFT
    assert "was withdrawn and nothing takes its place; every message is allowed" in outcome.describe()
    assert phone.store.current() is None
    state = phone.store.state()
    assert (state.release, state.before) == (None, version)
    assert phone.update().kind is UpdateKind.EMPTY


@pytest.mark.parametrize("role", ROLES)
def test_rotated_keys_are_followed(phone, repository, role):
    repository.offer(repository.add_release(1))
    phone.update()
    for _ in range(3):
        repository.rotate(role)
    version = repository.add_release(2)
    repository.offer(version)
    phone.update()
    assert phone.version == version


def test_a_phone_that_was_off_for_two_years_follows_ten_rotations(phone, repository):
    repository.offer(repository.add_release(1))
    phone.update()
    for _ in range(10):
        repository.clock.pass_by(days=73)
        repository.rotate("root")
    repository.offer(repository.add_release(2))
    assert phone.update().kind is UpdateKind.ADOPTED


def test_the_age_of_the_release_is_told(phone, repository):
    repository.offer(repository.add_release(1))
    phone.update()
    repository.clock.pass_by(days=100)
    repository.publish()
    outcome = phone.update()
    assert outcome.age.days == 131
    assert "made 131 days ago" in outcome.describe()
    assert phone.store.current().age(repository.clock()).days == 131


def test_a_release_for_newer_programs_is_not_adopted(phone, repository):
    old = repository.add_release(1)
    repository.offer(old)
    phone.update()
    new = repository.add_release(2)
    card = repository.targets[f"releases/{new}/card.json"].replace(b'"requires_client": 1', b'"requires_client": 2')
    repository.targets[f"releases/{new}/card.json"] = card.replace(b'"format"', b'"novelty": 1, "format"')
    repository.offer(new)
    with pytest.raises(ClientTooOldError, match="install a newer program"):
        phone.update()
    assert phone.version == old


def test_old_releases_are_swept_but_for_the_one_before(phone, repository):
    versions = [repository.add_release(number) for number in range(1, 5)]
    for version in versions:
        repository.offer(version)
        phone.update()
    kept = {folder.name for folder in phone.store.release_folder("x").parent.iterdir()}
    assert kept == set(versions[-2:])
    assert not phone.store.incoming_folder.exists()


def test_damaged_files_are_fetched_again(phone, repository):
    version = repository.add_release(1)
    repository.offer(version)
    phone.update()
    (phone.store.release_folder(version) / "model.onnx").write_bytes(b"bitten by a worm")
    assert phone.update().kind is UpdateKind.ADOPTED
    assert phone.store.current().model == make_model(1)


@pytest.mark.parametrize("name", ["current", *(f"metadata/{role}.json" for role in ROLES[1:])])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", None])
def test_a_phone_mends_what_was_damaged_on_it(phone, repository, name, content):
    version = repository.add_release(1)
    repository.offer(version)
    phone.update()
    file = phone.store.directory / name
    file.unlink() if content is None else file.write_bytes(content)
    phone.update()
    assert phone.store.current().model == make_model(1)


def test_two_updates_at_once_are_one_after_the_other(phone):
    with phone.store.exclusively(), pytest.raises(BusyError):
        phone.update()
    phone.update()


def test_a_folder_without_a_phone_cannot_be_updated(tmp_path, repository):
    phone = new_phone(tmp_path / "phone", repository)
    phone.store = PhoneStore(tmp_path / "elsewhere")
    with pytest.raises(NotInitialisedError, match="phone init"):
        phone.update()
    assert not (tmp_path / "elsewhere").exists()


def test_what_was_published_is_what_the_specification_says(repository):
    timestamp = json.loads(repository.files["metadata/timestamp.json"])
    assert timestamp["signed"]["meta"]["snapshot.json"].keys() == {"version", "length", "hashes"}
