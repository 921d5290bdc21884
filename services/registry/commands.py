"""`quietline keys`: signing keys of what phones fetch, and bearer keys of people and services."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
from pydantic import ValidationError

from services.registry.files import Disk
from services.registry.metadata import RepositoryError, Target
from services.registry.publishing import channel_file, locked
from services.registry.releases import STABLE, Channel
from services.registry.repository import Repository
from services.registry.signing import ROLES, KeyFolder, SigningKeyError
from shared.auth import KeyEntry, KeyFile, Scope, hash_key, new_key
from shared.release_card import root_fingerprint

ADMIN: Final = "admin"

Decorated = Callable[..., Any]


def _folder(name: str, default: str, environment: str, help_text: str) -> Callable[[Decorated], Decorated]:
    return click.option(
        name,
        type=click.Path(path_type=Path),
        default=Path(default),
        show_default=True,
        envvar=environment,
        help=help_text,
    )


publish_dir_option = _folder(
    "--publish-dir", "var/registry/tuf", "QUIETLINE_REGISTRY_PUBLISH_DIR", "What phones fetch from."
)
keys_dir_option = _folder(
    "--keys-dir", "var/registry/keys", "QUIETLINE_REGISTRY_TUF_KEYS_DIR", "Signing keys that are online."
)
keys_file_option = _folder("--keys-file", "var/keys.json", "QUIETLINE_REGISTRY_KEYS_FILE", "Hashes of the bearer keys.")


@click.group()
def keys() -> None:
    """Make and rotate keys. 密钥管理。

    Signing keys vouch for what phones fetch: `init` and `rotate`. Bearer keys let people and services in: `add`.
    Nothing here is needed for `quietline up` and `quietline demo`, which make keys for development by themselves.
    """


@keys.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the root key: on a medium that you take away and lock up.",
)
@click.option("--targets-offline", is_flag=True, help="Put the targets key there too; promoting then needs it brought.")
@click.option(
    "--admin-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for the admin's bearer key, instead of printing it.",
)
@publish_dir_option
@keys_dir_option
@keys_file_option
def init(
    out: Path, *, targets_offline: bool, admin_key_file: Path | None, publish_dir: Path, keys_dir: Path, keys_file: Path
) -> None:
    """Make the signing keys and the first bearer key of a production suite. 生成正式密钥。"""
    with _one_line_errors():
        if out.resolve() == keys_dir.resolve():
            raise click.ClickException(
                "--out must be another folder than --keys-dir, since the root key must not be online"
            )
        known = _read_key_file(keys_file) if keys_file.exists() else None
        if known is not None and any(entry.development for entry in known.keys):
            raise click.ClickException(
                f"{keys_file} holds development keys; run production in a folder of its own, or name other places"
            )
        if known is not None and admin_key_file is not None:
            raise click.ClickException(
                f"{keys_file} holds bearer keys already, so none is made for {ADMIN}; leave --admin-key-file out"
            )
        disk = Disk()
        offline = KeyFolder(out, disk)
        with locked(publish_dir / ".lock"):
            repository = _open_repository(publish_dir, keys_dir)
            if repository.exists():
                raise click.ClickException(
                    f"{publish_dir} was published before; `quietline keys rotate` replaces its keys"
                )
            # The bearer key first: as long as nothing is published, a failure takes it back and all can be done again.
            bearer_key = _first_bearer_key(keys_file, admin_key_file, repository.exists)
            with bearer_key if known is None else nullcontext() as admin:
                out.mkdir(mode=0o700, parents=True, exist_ok=True)
                repository.create(offline, development=False)
                first = Target.of(f"channels/{STABLE}.json", channel_file(Channel(STABLE), ()).to_json())
                publication = repository.stage([first])
                if publication is not None:
                    publication.go_live()
                if targets_offline:
                    KeyFolder(keys_dir, disk).move("targets", offline)
        root = (publish_dir / "metadata" / "1.root.json").read_bytes()
        click.echo(f"root key{' and targets key' if targets_offline else ''}: {out}  (move this folder away now)")
        click.echo(f"keys that stay online: {keys_dir}")
        click.echo(f"root of trust for phones: {publish_dir / 'metadata' / '1.root.json'}")
        click.echo(f"its fingerprint: {root_fingerprint(root)}")
        if admin is None:
            click.echo(f"bearer keys: those that {keys_file} held before")
        else:
            _hand_over(admin, admin_key_file)


@keys.command()
@click.option("--role", "roles", type=click.Choice(ROLES), multiple=True, help="Which key; all of them if not given.")
@click.option(
    "--root-keys",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the root key; --keys-dir if not given, as it is in development.",
)
@publish_dir_option
@keys_dir_option
def rotate(roles: tuple[str, ...], root_keys: Path | None, publish_dir: Path, keys_dir: Path) -> None:
    """Replace signing keys; phones follow by themselves. 更换密钥。"""
    with _one_line_errors():
        repository = _open_repository(publish_dir, keys_dir)
        if not repository.exists():
            raise click.ClickException(f"{publish_dir} was never published; `quietline keys init` makes its first keys")
        with locked(publish_dir / ".lock"):
            for role in roles or ROLES:
                version = repository.rotate(role, KeyFolder(root_keys or keys_dir, Disk()))
                click.echo(f"{role}: new key, root version {version}")


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([scope.value for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may do.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for the key, instead of printing it.",
)
@keys_file_option
def add(name: str, scopes: tuple[str, ...], key_file: Path | None, keys_file: Path) -> None:
    """Make a bearer key for NAME and print it, once. 新建访问密钥。

    The services read the key file when they start.
    """
    with _one_line_errors():
        if key_file is not None:
            _make_private(key_file)
        try:
            key = _add_bearer_key(keys_file, name, [Scope(scope) for scope in scopes])
        except BaseException:
            _remove(key_file)
            raise
        holder = f"bearer key of {name} ({', '.join(sorted(scopes))})"
        if key_file is None:
            click.echo(f"{holder}, shown this once: {key}")
        else:
            key_file.write_text(key, "ascii")
            click.echo(f"{holder}: {key_file}")


@contextmanager
def _first_bearer_key(keys_file: Path, file: Path | None, is_published: Callable[[], bool]) -> Iterator[str]:
    """Makes the admin's key, into a new file if one is named, and takes it back if what follows publishes nothing.

    What follows may fail after it has published: then there is no second `keys init`, and the key is handed over.
    """
    if file is not None:
        _make_private(file)
    try:
        key = _add_bearer_key(keys_file, ADMIN, [Scope.ADMIN])
    except BaseException:
        _remove(file)
        raise
    try:
        if file is not None:
            file.write_text(key, "ascii")
        yield key
    except BaseException:
        if is_published():
            _hand_over(key, file)
        else:
            _remove(file, keys_file)
        raise


def _make_private(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        file.touch(mode=0o600, exist_ok=False)
    except FileExistsError as error:
        raise click.ClickException(f"{file} is there already; name another file for the key") from error


def _remove(*files: Path | None) -> None:
    for file in files:
        if file is not None:
            file.unlink(missing_ok=True)


def _hand_over(admin_key: str, file: Path | None) -> None:
    if file is None:
        click.echo(f"bearer key of {ADMIN} ({Scope.ADMIN}), shown this once: {admin_key}")
    else:
        click.echo(f"bearer key of {ADMIN}: {file}")


def _add_bearer_key(keys_file: Path, name: str, scopes: Sequence[Scope]) -> str:
    """Makes a key, keeps its hash, and gives the key."""
    entries = _read_key_file(keys_file).keys if keys_file.exists() else ()
    if any(entry.name == name for entry in entries):
        raise click.ClickException(f"{keys_file} holds a key named {name} already; choose another name")
    key = new_key()
    try:
        entry = KeyEntry(name=name, sha256=hash_key(key), scopes=frozenset(scopes))
    except ValidationError as error:
        raise click.ClickException("a name has 1 to 60 characters") from error
    keys_file.parent.mkdir(parents=True, exist_ok=True)
    KeyFile(keys=(*entries, entry)).write(keys_file)
    return key


def _read_key_file(path: Path) -> KeyFile:
    try:
        return KeyFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise click.ClickException(f"{path} is no key file") from error


def _open_repository(publish_dir: Path, keys_dir: Path) -> Repository:
    disk = Disk()
    return Repository(publish_dir, KeyFolder(keys_dir, disk), lambda: datetime.now(UTC), disk)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (RepositoryError, SigningKeyError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the disk'}: {error.strerror}") from error
