"""A disk on which the process dies, or the room runs out, at a chosen move."""

import errno
from pathlib import Path

from services.registry.files import DRAFT_PREFIX, Disk


class Killed(BaseException):
    """SIGKILL, as far as the code can tell: nothing catches it."""


class DyingDisk(Disk):
    """Works until the chosen move, and leaves half a draft behind if that move is a write."""

    def __init__(self, last_move: int, death: type[BaseException] = Killed) -> None:
        self.moves_left = last_move
        self.death = death

    def write_draft(self, path: Path, content: bytes, mode: int = 0o644) -> Path:
        if self.moves_left == 0 and self.death is Killed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f"{DRAFT_PREFIX}torn").write_bytes(content[: len(content) // 2])
        self._move()
        return super().write_draft(path, content, mode)

    def put_in_place(self, draft: Path, path: Path) -> None:
        self._move()
        super().put_in_place(draft, path)

    def remove(self, path: Path) -> None:
        self._move()
        super().remove(path)

    def _move(self) -> None:
        if self.moves_left == 0:
            raise OSError(errno.ENOSPC, "No space left on device") if self.death is OSError else self.death
        self.moves_left -= 1
