"""Makes what docker-compose.yml needs before its first start: `make secrets`.

Containers run as a user who is not root, so a secret must be readable by that user: the one who runs this, or user
10001 where that is root. The folder of secrets is closed to everybody else, whatever the mode of a file in it says; the
passwords of databases are readable inside it because the database has a user of its own.
"""

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from services.registry.commands import keys
from shared.auth import Scope

DATABASE_ROLES: Final = ("administrator", "ingestion", "training", "registry")
"""The server's administrator, whom no service uses, and each service's own role."""
OPERATORS: Final = frozenset({"admin.key", "root-key"})
"""What no container ever sees."""
ROOMS: Final = ("ingestion", "training", "workers", "registry", "published")
CONTAINER_USER: Final = 10001
"""Who the containers run as where root made the secrets; anyone but root will do."""
TRIAL_DAYS: Final = 90
NAMES_OF_THIS_MACHINE: Final = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)


class SecretsError(Exception):
    """The secrets cannot be made; the text says why."""


def make_secrets(folder: Path, data: Path, environment: Path) -> None:
    """Makes all secrets and the first publication, or nothing.

    Args:
        folder: where the secrets go; must not exist.
        data: where the containers keep files; must not exist.
        environment: the file in which compose finds the containers' user; what else it says is kept.

    Raises:
        SecretsError: if something is there already: no secret is ever replaced.
    """
    for path in (folder, data):
        if path.exists():
            raise SecretsError(f"{path} is there already, so nothing was made; move it away to begin anew")
    with _all_or_nothing(folder, data):
        folder.mkdir(mode=0o700)
        data.mkdir(mode=0o700)
        for room in ROOMS:
            (data / room).mkdir()
        for role in DATABASE_ROLES:
            _write(folder / f"{role}-database-password", secrets.token_urlsafe(32).encode(), 0o444)
        _make_certificate(folder)
        _make_keys(folder, data)
        user, group = _container_user()
        if os.geteuid() == 0:
            _give_to(user, group, [data, *(path for path in folder.iterdir() if path.name not in OPERATORS)])
        _set(environment, {"QUIETLINE_UID": str(user), "QUIETLINE_GID": str(group)})


def _make_keys(folder: Path, data: Path) -> None:
    places = ["--keys-file", str(folder / "keys.json")]
    signing = ["--publish-dir", str(data / "published"), "--keys-dir", str(folder / "signing-keys")]
    init = ["init", "--out", str(folder / "root-key"), "--admin-key-file", str(folder / "admin.key")]
    keys.main([*init, *signing, *places], standalone_mode=False)
    scopes = (Scope.READ_SNAPSHOT, Scope.MODERATE, Scope.SUBMIT)
    options = [word for scope in scopes for word in ("--scope", scope.value)]
    keys.main(["add", "training", *options, "--key-file", str(folder / "training.key"), *places], standalone_mode=False)


def _make_certificate(folder: Path) -> None:
    """Makes a certificate that only this machine's own trials can use."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Quietline on this machine, for trying only")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=TRIAL_DAYS))
        .add_extension(x509.SubjectAlternativeName(NAMES_OF_THIS_MACHINE), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    _write(folder / "tls-certificate.pem", certificate.public_bytes(Encoding.PEM), 0o444)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(folder / "tls-key.pem", private, 0o400)


def _set(environment: Path, values: dict[str, str]) -> None:
    lines = environment.read_text("utf8").splitlines() if environment.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in values]
    environment.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in values.items()), ""]), "utf8")


def _container_user() -> tuple[int, int]:
    if os.geteuid() == 0:
        return CONTAINER_USER, CONTAINER_USER
    return os.geteuid(), os.getegid()


def _give_to(user: int, group: int, paths: list[Path]) -> None:
    for path in paths:
        for found in (path, *path.rglob("*")):
            os.chown(found, user, group)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    path.chmod(mode)


@contextmanager
def _all_or_nothing(*folders: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("secrets"), show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), show_default=True)
@click.option("--environment", type=click.Path(path_type=Path), default=Path(".env"), show_default=True)
def main(out: Path, data: Path, environment: Path) -> None:
    """Make the secrets of the compose stack."""
    try:
        make_secrets(out, data, environment)
    except SecretsError as error:
        click.echo(f"quietline: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"quietline: cannot write {error.filename}: {error.strerror}", err=True)
        sys.exit(2)
    click.echo(f"certificate, for trying only; production brings its own: {out / 'tls-certificate.pem'}")


if __name__ == "__main__":
    main()
