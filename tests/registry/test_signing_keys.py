"""Signing keys: made in development alone, rotated under phones' eyes, and offline where the operator wants them."""

import json
import shutil
import stat
from pathlib import Path

import pytest

from services.registry.app import create_app, migrate
from services.registry.files import Disk
from services.registry.metadata import DevelopmentKeysError, NoRepositoryError
from services.registry.repository import Repository
from services.registry.signing import ROLES, KeyFolder
from tests.registry.candidates import FIRST, SECOND
from tests.registry.conftest import Phone, Registry, new_phone, settings_in
from tests.registry.desk import Desk, assert_agrees, with_first_release
from tests.registry.dying_disk import DyingDisk, Killed


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite in the registry's folder, so that a copy of the folder is a copy of everything."""
    return f"sqlite:///{tmp_path / 'registry' / 'registry.sqlite'}"


def test_development_keys_are_made_on_first_run_for_their_owner_alone(registry):
    files = list(registry.settings.tuf_keys_dir.iterdir())
    assert sorted(file.name.partition("-")[0] for file in files) == sorted(ROLES)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_production_refuses_development_keys(registry):
    production = settings_in(registry.settings.keys_file.parent, mode="production")
    with pytest.raises(DevelopmentKeysError, match="production refuses"):
        create_app(production, now=registry.clock)


def test_production_makes_no_keys_by_itself(settings):
    production = settings_in(settings.keys_file.parent, mode="production")
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
