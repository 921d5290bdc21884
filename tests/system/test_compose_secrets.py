"""`make secrets` makes what production needs, readable by whom it is for, and replaces nothing."""

import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from services import compose_secrets
from services.compose_secrets import DATABASE_ROLES, ROOMS, SecretsError, make_secrets
from shared.auth import KeyRing, Scope


@pytest.fixture(autouse=True)
def quiet(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()


def make(folder: Path) -> Path:
    make_secrets(folder / "secrets", folder / "data", folder / ".env")
    return folder / "secrets"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_secret_is_drawn_anew(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    for file in (path for path in one.rglob("*") if path.is_file()):
        twins = [path for path in two.rglob("*") if path.is_file() and path.read_bytes() == file.read_bytes()]
        assert not twins, file
    passwords = {(one / f"{role}-database-password").read_text() for role in DATABASE_ROLES}
    assert len(passwords) == len(DATABASE_ROLES)
    assert min(map(len, passwords)) >= 32


def test_the_folder_is_closed_to_others_and_its_files_open_to_whom_they_are_for(tmp_path: Path) -> None:
    secrets = make(tmp_path)
    assert mode(secrets) == mode(tmp_path / "data") == 0o700
    user, group = (10001, 10001) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    for file in ("keys.json", "training.key", "tls-key.pem", "tls-certificate.pem"):
        assert ((secrets / file).stat().st_uid, (secrets / file).stat().st_gid) == (user, group)
    for room in ROOMS:
        assert (tmp_path / "data" / room).stat().st_uid == user
    for file in ("admin.key", "root-key"):
        assert (secrets / file).stat().st_uid == os.geteuid()
        assert mode(secrets / file) & 0o077 == 0
    assert mode(secrets / "tls-key.pem") & 0o077 == 0
    for role in DATABASE_ROLES:
        assert mode(secrets / f"{role}-database-password") == 0o444, "the database has a user of its own"
    assert (tmp_path / ".env").read_text() == f"QUIETLINE_UID={user}\nQUIETLINE_GID={group}\n"


def test_training_may_do_what_runs_need_and_no_more(tmp_path: Path) -> None:
    secrets = make(tmp_path)
    ring = KeyRing.from_file(secrets / "keys.json", production=True)
    training, admin = (ring.find((secrets / file).read_text()) for file in ("training.key", "admin.key"))
    assert training is not None
    assert training.scopes == {Scope.READ_SNAPSHOT, Scope.MODERATE, Scope.SUBMIT}
    assert admin is not None
    assert admin.may(Scope.PUBLISH)
    assert [file.name.partition("-")[0] for file in (secrets / "root-key").iterdir()] == ["root"]


def test_the_certificate_is_for_this_machine_and_says_what_it_is(tmp_path: Path) -> None:
    secrets = make(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(secrets / "tls-certificate.pem", secrets / "tls-key.pem")
    certificate = x509.load_pem_x509_certificate((secrets / "tls-certificate.pem").read_bytes())
    assert "trying only" in certificate.subject.rfc4514_string()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("QUIETLINE_HTTPS_PORT=443\n")
    secrets = make(tmp_path)
    assert (tmp_path / ".env").read_text().startswith("QUIETLINE_HTTPS_PORT=443\nQUIETLINE_UID=")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(SecretsError, match="is there already"):
        make(tmp_path)
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(SecretsError, match="is there already"):
        make(tmp_path)
    assert not (tmp_path / "data").exists()
    assert before.keys() >= {path for path in secrets.rglob("*") if path.is_file()}


def test_a_failure_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(compose_secrets, "_make_keys", fail)
    with pytest.raises(OSError, match="no room"):
        make(tmp_path)
    assert list(tmp_path.iterdir()) == []
