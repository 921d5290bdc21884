"""A registry that publishes, seen from both sides: what its database says and what phones read."""

import shutil
from pathlib import Path

from services.registry import operations, store
from services.registry.app import new_publisher
from services.registry.files import Disk
from services.registry.publishing import channel_file
from services.registry.repository import Repository
from services.registry.signing import KeyFolder
from shared.database import open_engine, reading
from shared.release_card import ChannelFile
from tests.registry.candidates import FIRST, SECOND
from tests.registry.conftest import Clock, Registry, settings_in


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
