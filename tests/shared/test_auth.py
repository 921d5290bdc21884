"""Bearer keys: only hashes on disk, development keys never in production."""

from pathlib import Path

import pytest

from shared.auth import KeyEntry, KeyFile, KeyFileError, KeyRing, Principal, Scope, hash_key, new_key


def write(path: Path, *, development: bool) -> str:
    key = new_key()
    entry = KeyEntry(name="one", sha256=hash_key(key), scopes=frozenset({Scope.TRAIN}), development=development)
    KeyFile(keys=(entry,)).write(path)
    return key


def test_the_file_holds_no_key_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    key = write(tmp_path / "keys.json", development=False)
    assert key not in (tmp_path / "keys.json").read_text()
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "keys.json"]


def test_a_key_is_found_and_another_is_not(tmp_path: Path) -> None:
    key = write(tmp_path / "keys.json", development=False)
    ring = KeyRing.from_file(tmp_path / "keys.json", production=True)
    assert ring.find(key) == Principal("one", frozenset({Scope.TRAIN}))
    assert ring.find(key + "x") is None


def test_development_keys_are_refused_in_production(tmp_path: Path) -> None:
    write(tmp_path / "keys.json", development=True)
    KeyRing.from_file(tmp_path / "keys.json", production=False)
    with pytest.raises(KeyFileError, match="production refuses"):
        KeyRing.from_file(tmp_path / "keys.json", production=True)


@pytest.mark.parametrize("content", ["", "[]", '{"keys": [{"name": ""}]}', '{"keys": [], "more": 1}'])
def test_a_malformed_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(KeyFileError, match="no key file"):
        KeyRing.from_file(tmp_path / "keys.json", production=False)


def test_a_missing_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="quietline keys init"):
        KeyRing.from_file(tmp_path / "keys.json", production=False)


def test_admin_may_everything() -> None:
    assert all(Principal("a", frozenset({Scope.ADMIN})).may(scope) for scope in Scope)
    assert not Principal("a", frozenset({Scope.REPORT})).may(Scope.ADMIN)
