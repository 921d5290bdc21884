"""A publisher, a phone that trusts it, and a clock that both look at."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mobile_model.updater import PhoneStore, UpdateOutcome, update
from tests.mobile_model.updater.repository_simulator import SOURCE, Repository


@dataclass
class Phone:
    """A phone and the network that it is on."""

    store: PhoneStore
    repository: Repository

    def update(self) -> UpdateOutcome:
        return update(self.store, fetcher=self.repository, now=self.repository.clock)

    @property
    def version(self) -> str | None:
        release = self.store.current()
        return release.card.version if release else None


def new_phone(folder: Path, repository: Repository, draw: int = 50) -> Phone:
    store = PhoneStore(folder)
    store.initialise(repository.root, SOURCE, draw=lambda _: draw)
    return Phone(store, repository)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is written is the same, but waiting for a disk costs no time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="quietline-") as folder:
        yield Path(folder)


@pytest.fixture
def phone(tmp_path: Path, repository: Repository) -> Phone:
    return new_phone(tmp_path / "phone", repository)


@pytest.fixture
def victim(phone: Phone, repository: Repository) -> Phone:
    """A phone with a good release, while the publisher has just published another."""
    repository.offer(repository.add_release(1))
    phone.update()
    repository.clock.pass_by(hours=1)
    repository.offer(repository.add_release(2))
    return phone
