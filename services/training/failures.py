"""Why a run can fail: what is wrong with its data or its peers, in words for the person who asked for it.

RunFailure
├── UnknownSnapshotError   ingestion has no such snapshot
├── DamagedSnapshotError   what came is not the snapshot, or not in its form
├── UnusableSnapshotError  nothing can be learned from it
├── PeerFailureError       a peer did not answer for too long, or refused
├── StorageFullError       no room for the run's files
└── WorkerFailureError     the work itself broke off
"""

from typing import ClassVar

from services.training.runs import Ending


class RunFailure(Exception):  # noqa: N818 - it ends a run, and the run says so in these words
    """The run cannot end in a candidate; the text says why and what to do."""

    word: ClassVar[str]
    title: ClassVar[str]

    @property
    def ending(self) -> Ending:
        """What the run says of its end."""
        return Ending(self.word, self.title, str(self))


class UnknownSnapshotError(RunFailure):
    """Ingestion has no such snapshot."""

    word = "unknown-snapshot"
    title = "There is no such snapshot"


class DamagedSnapshotError(RunFailure):
    """What came is not the snapshot that was asked for, or not in its form."""

    word = "damaged-snapshot"
    title = "The snapshot cannot be read"


class UnusableSnapshotError(RunFailure):
    """Nothing can be learned from the snapshot."""

    word = "unusable-snapshot"
    title = "The snapshot cannot be learned from"


class PeerFailureError(RunFailure):
    """A peer did not answer for too long, or refused what a run needs."""

    word = "peer-failed"
    title = "Another service did not do its part"


class StorageFullError(RunFailure):
    """There is no room for the run's files."""

    word = "storage-full"
    title = "There is no room for the run's files"


class WorkerFailureError(RunFailure):
    """The work itself broke off; the worker's log says where."""

    word = "worker-failed"
    title = "The work broke off"
