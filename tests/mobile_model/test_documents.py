"""SPEC.md and the READMEs say what the program does, by name and number."""

import re
from pathlib import Path

import pytest

import mobile_model
from mobile_model import policy, scorer
from mobile_model.conformance import CARD_FILE, MODEL_FILE, VECTOR_FILES
from mobile_model.updater import fetcher, source, store
from shared.categories import Category, Strictness
from shared.release_card import CARD_FORMAT, CLIENT_FORMAT, MAX_COMPRESSED_MODEL_BYTES, MAX_MODEL_BYTES

FOLDER = Path(mobile_model.__file__).parent
SPECIFICATION = (FOLDER / "SPEC.md").read_text("utf-8")
RULES = dict(re.findall(r"^- \*\*([A-Z]\d+)\*\* (.*?)(?=^- |^$|\Z)", SPECIFICATION, re.MULTILINE | re.DOTALL))


def rule(name: str) -> str:
    return " ".join(RULES[name].split())


def kibibytes(count: int) -> str:
    return f"{count // 1024} KiB"


def test_every_rule_has_a_name_of_its_own_and_says_how_much_it_binds() -> None:
    names = re.findall(r"^- \*\*([A-Z]\d+)\*\*", SPECIFICATION, re.MULTILINE)
    assert len(names) == len(set(names)) == len(RULES)
    # Rules that give names to things bind by what refers to them.
    for name in set(RULES) - {"G2", "G3", "P4", "P5", "N3"}:
        assert re.search(r"\b(MUST|SHOULD|MAY)\b", RULES[name]), name


def test_the_numbers_of_the_specification_are_those_of_the_program() -> None:
    assert f"{scorer.MAX_CODEPOINTS:,} code points" in rule("E5")
    assert f"above {CLIENT_FORMAT}," in rule("C1")
    assert f"`{CARD_FORMAT}`" in rule("C2")
    for limit in (
        f"{kibibytes(source.CONFIG.root_max_length)} for a root",
        f"{kibibytes(source.CONFIG.timestamp_max_length)} for a timestamp",
        f"{kibibytes(source.CONFIG.snapshot_max_length)} for a snapshot",
        f"{source.CONFIG.targets_max_length >> 20} MiB for targets",
        f"at most {kibibytes(source.MAX_DOCUMENT_BYTES)}",
        f"packed model {kibibytes(MAX_COMPRESSED_MODEL_BYTES)}",
        f"unpacked one {kibibytes(MAX_MODEL_BYTES)}",
        f"within {fetcher.FILE_TIMEOUT_SECONDS} seconds",
        f"at most {source.CONFIG.max_root_rotations} new roots",
    ):
        assert limit in rule("U3"), limit
    assert f"from 0 to {store.DRAWS - 1}" in rule("U6")
    assert f"more than {source.LONGEST_TIMESTAMP.days} days" in rule("U10")
    assert source.CLOCK_TOLERANCE.days == 1


def test_the_separators_of_the_specification_are_those_of_the_policy() -> None:
    ranges = re.findall(r"U\+([0-9A-F]{4})(?: to U\+([0-9A-F]{4}))?", rule("P3"))
    named = {chr(point) for first, last in ranges for point in range(int(first, 16), int(last or first, 16) + 1)}
    dropped = {chr(point) for point in range(0x3000) if policy.normal_sender(chr(point)) == ""}
    assert named | set(" \t-.()") == dropped


def test_all_names_of_the_program_are_in_the_specification() -> None:
    for word in [*policy.Reason, *Category, *Strictness]:
        assert f"`{word}`" in SPECIFICATION


def test_every_file_of_vectors_is_described_and_demanded() -> None:
    described = (FOLDER / "conformance" / "README.md").read_text("utf-8")
    for name in VECTOR_FILES:
        assert f"| `{name}.jsonl` |" in described
        assert f"`{name}.jsonl`" in SPECIFICATION
    for name in (MODEL_FILE, CARD_FILE):
        assert f"`{name}`" in described
    stored = {path.name for path in (FOLDER / "conformance").iterdir() if path.suffix in {".jsonl", ".json", ".onnx"}}
    assert stored == {MODEL_FILE, CARD_FILE, *(f"{name}.jsonl" for name in VECTOR_FILES)}


def test_the_readme_names_every_module() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+\.py)`", readme)) - {"build.py", "lookalikes.py"}
    assert named == {path.name for path in FOLDER.glob("*.py")} - {"__init__.py"}


@pytest.mark.parametrize("document", ["SPEC.md", "README.md", "conformance/README.md"])
def test_what_a_document_refers_to_exists(document: str) -> None:
    path = FOLDER / document
    text = path.read_text("utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (path.parent / link).exists(), link
    for name in re.findall(r"`((?:shared|tests|mobile_model)/[\w/.]+)`", text):
        assert (FOLDER.parent / name).exists(), name
