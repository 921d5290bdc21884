"""Who is alive among the workers, judged without trusting anyone's clock.

Each worker counts up its own row. Whoever sees a count stand still for a whole lease, by its own monotonic clock, takes
that worker for dead. A clock that jumps, or clocks that differ, change nothing.
"""

import fcntl
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self


class ExecutorIdInUseError(Exception):
    """Another worker on this machine has the same id file."""


class ExecutorId:
    """The durable id of one worker; locked as long as the worker lives, so that no two can have it."""

    def __init__(self, value: str, file_descriptor: int) -> None:
        self.value = value
        self._file_descriptor = file_descriptor

    @classmethod
    def claim(cls, path: Path) -> Self:
        """Reads the id, or makes one where there is none.

        Args:
            path: the file of this worker's id, or a folder that replicas share: each takes the first id that is free.

        Raises:
            ExecutorIdInUseError: if a living worker has it.
            OSError: if the file cannot be read or made.
        """
        return cls._claim_first_free(path) if path.is_dir() else cls._claim_file(path)

    @classmethod
    def _claim_first_free(cls, folder: Path) -> Self:
        number = 1
        while True:
            try:
                return cls._claim_file(folder / f"worker-{number}")
            except ExecutorIdInUseError:
                number += 1

    @classmethod
    def _claim_file(cls, path: Path) -> Self:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ExecutorIdInUseError(
                f"another worker uses {path}; give each worker a file of its own (QUIETLINE_TRAINING_EXECUTOR_ID_FILE)"
            ) from error
        value = os.read(descriptor, 64).decode("ascii", "replace").strip()
        if not value.isalnum():
            value = uuid.uuid4().hex
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, value.encode(), 0)
            os.fsync(descriptor)
        return cls(value, descriptor)

    def release(self) -> None:
        """Lets another worker have it."""
        os.close(self._file_descriptor)


class Lookout:
    """Remembers when each worker's count last changed.

    Args:
        lease_seconds: how long a count may stand still.
        clock: seconds that only grow.
    """

    def __init__(self, lease_seconds: float, clock: Callable[[], float]) -> None:
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def look(self, beats: Mapping[str, int]) -> None:
        """Takes in the counts as they are now."""
        now = self._clock()
        self._seen = {
            executor: self._seen[executor]
            if executor in self._seen and self._seen[executor][0] == count
            else (count, now)
            for executor, count in beats.items()
        }

    def is_dead(self, executor_id: str) -> bool:
        """Tells whether a worker gave up its lease, never had one, or let it run out."""
        if executor_id not in self._seen:
            return True
        return self._clock() - self._seen[executor_id][1] > self._lease_seconds
