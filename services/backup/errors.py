"""Why a backup cannot be made or restored.

BackupError
 +- NothingHereError      there is no suite to back up
 +- DamagedBackupError    the backup is not whole, or not one
 +- NotEmptyError         something is where the backup would be written, or restored to
 +- DatabaseToolError     pg_dump or pg_restore is missing, or refused
"""


class BackupError(Exception):
    """What was asked cannot be done; the text says why and what to do."""


class NothingHereError(BackupError):
    """There is no suite to back up."""


class DamagedBackupError(BackupError):
    """The backup is not whole, or not one."""


class NotEmptyError(BackupError):
    """Something is where the backup would be written, or restored to."""


class DatabaseToolError(BackupError):
    """A program of PostgreSQL is missing, or refused."""
