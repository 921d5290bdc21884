"""A disk that fails, fills up or dies at any move leaves the phone with a whole release."""

import errno
import itertools
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mobile_model.updater.disk import Disk
from mobile_model.updater.errors import DiskError, DiskFullError
from mobile_model.updater.store import PhoneStore
from tests.mobile_model.updater.repository_simulator import make_model


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
