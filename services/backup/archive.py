"""Makes a backup of a running suite, and brings it back where there is none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from services.backup import databases, files
from services.backup.errors import DamagedBackupError, NotEmptyError, NothingHereError
from services.backup.manifest import MANIFEST, Entry, Manifest, Told, digest
from services.backup.places import PUBLISHED, SIGNING_KEYS, Database, Places
from services.registry.publishing import locked

KEYS: Final = "keys"
DATABASES: Final = "databases"
REGISTRY: Final = "registry"
UNDER_LOCK: Final = (PUBLISHED, SIGNING_KEYS)
"""What the registry changes together with its database."""

OnStage = Callable[[str], None]
"""Is told what is being done."""


def back_up(places: Places, backup: Path, now: datetime, stage: OnStage, told: Told) -> Manifest:
    """Saves a suite that may be running, so that what was acknowledged before is in the backup.

    Each database is one state of itself. What refers to a file is saved before the file, so that no file is missing;
    the registry's database and what it published are saved under its lock, so that they agree.

    Args:
        places: where everything is.
        backup: a folder that is empty or not there yet.
        now: the time.
        stage: told what is being done.
        told: told how many bytes more were copied.

    Raises:
        BackupError: if there is nothing to save, or something in the way.
        OSError: if a file cannot be read or written.
    """
    if backup.exists() and any(backup.iterdir()):
        raise NotEmptyError(f"{backup} is not empty; name a new folder")
    for name, path in places.key_files.items():
        if not path.is_file():
            raise NothingHereError(f"{path}, the {name}, does not exist; was a suite ever started here?")
    saved = {database.name: databases.describe(database) for database in places.databases}
    files.make_folder(backup)
    backup.chmod(files.PRIVATE_FOLDER)
    saving = _Saving(places, backup, stage, told)
    for database in places.databases:
        if database.name == REGISTRY:
            with locked(places.lock_file):
                saving.save_database(database)
                for name in UNDER_LOCK:
                    saving.save_folder(name)
        else:
            saving.save_database(database)
    for name in places.folders:
        if name not in UNDER_LOCK:
            saving.save_folder(name)
    saving.save_keys()
    entries = tuple(saving.entries)
    manifest = Manifest(format=1, made_at=now, version=version("quietline"), databases=saved, entries=entries)
    with files.drafted(backup / MANIFEST) as draft:
        draft.write_text(manifest.model_dump_json(indent=1), "utf8")
    return manifest


@dataclass
class _Saving:
    """A backup that is being made, and what it holds so far."""

    places: Places
    backup: Path
    stage: OnStage
    told: Told
    entries: list[Entry] = field(default_factory=list)

    def save_database(self, database: Database) -> None:
        self.stage(f"database of {database.name}")
        place = _place_of(database)
        target = self.backup / place
        databases.save(database, target)
        self.entries.append(Entry(path=place, bytes=target.stat().st_size, sha256=digest(target, self.told)))

    def save_folder(self, name: str) -> None:
        self.stage(name)
        url = self.places.folders[name]
        for path in files.list_files(url):
            self._save_file(url, path, f"{name}/{path}")

    def save_keys(self) -> None:
        self.stage(KEYS)
        for name, file in self.places.key_files.items():
            self._save_file(str(file.parent), file.name, f"{KEYS}/{name}")

    def _save_file(self, url: str, path: str, place: str) -> None:
        entry = files.save(url, path, self.backup, place, self.told)
        if entry is not None:
            self.entries.append(entry)


def restore(places: Places, backup: Path, manifest: Manifest, stage: OnStage, told: Told) -> None:
    """Brings a checked backup back where there is no suite.

    Nothing is written before it is certain that nothing is in the way. A key file that is there already with the same
    content stays, as keys do that an operator carried over by hand.

    Args:
        places: where everything goes; nothing runs there.
        backup: the folder of the backup.
        manifest: its list, checked.
        stage: told what is being done.
        told: told how many bytes more were copied.

    Raises:
        BackupError: if something is in the way, or the backup does not fit.
        OSError: if a file cannot be written; what was restored until then must be removed before another try.
    """
    missing_keys = _missing_keys(places, backup, manifest)
    _refuse_what_is_in_the_way(places, manifest)
    for database in places.databases:
        stage(f"database of {database.name}")
        source = backup / _place_of(database)
        databases.restore(database, source)
        told(source.stat().st_size)
    for name, url in places.folders.items():
        stage(name)
        for path, entry in manifest.within(name):
            if name != SIGNING_KEYS or entry in missing_keys:
                files.restore(backup, entry, url, path, told, is_public=name == PUBLISHED)
    stage(KEYS)
    for name, entry in manifest.within(KEYS):
        file = places.key_files.get(name)
        if file is not None and entry in missing_keys:
            files.restore(backup, entry, str(file.parent), file.name, told, is_public=False)


def _refuse_what_is_in_the_way(places: Places, manifest: Manifest) -> None:
    for database in places.databases:
        saved = manifest.databases.get(database.name)
        if saved is None or all(entry.path != _place_of(database) for entry in manifest.entries):
            raise DamagedBackupError(f"the backup does not hold the database of {database.name}, as it was saved here")
        databases.refuse_unfit(database, saved)
        databases.refuse_filled(database)
    for name, url in places.folders.items():
        if name != SIGNING_KEYS and files.list_files(url):
            raise NotEmptyError(f"{url} is not empty; restore into an empty suite")


def _missing_keys(places: Places, backup: Path, manifest: Manifest) -> set[Entry]:
    """Gives the keys that are not where they belong yet.

    Raises:
        NotEmptyError: if another key is there.
    """
    wanted = {places.key_files[name]: entry for name, entry in manifest.within(KEYS) if name in places.key_files}
    folder = Path(places.folders[SIGNING_KEYS])
    wanted |= {folder / name: entry for name, entry in manifest.within(SIGNING_KEYS)}
    strangers = {folder / name for name in files.list_files(str(folder))} - set(wanted)
    for file in sorted({*wanted, *strangers}):
        if file.exists() and (file in strangers or digest(file, lambda _: None) != wanted[file].sha256):
            raise NotEmptyError(f"{file} is there already, and is not the one of {backup}; move it away")
    return {entry for file, entry in wanted.items() if not file.exists()}


def _place_of(database: Database) -> str:
    return f"{DATABASES}/{database.name}.{'sqlite' if database.is_sqlite else 'dump'}"
