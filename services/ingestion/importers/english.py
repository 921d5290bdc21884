"""Two English sets: Mishra and Soni's smishing set (CSV) and UCI's SMS Spam Collection (tab or CSV)."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from services.ingestion.importers.files import ImportFileError, line_of, open_text
from shared.categories import Category

CATEGORIES: Final = {
    "ham": Category.PERSONAL,
    "spam": Category.PROMOTION,
    "smishing": Category.FRAUD,
}
"""Ham is chat between people but for a few notices; spam is advertising, most of it of premium-rate services."""
COLUMNS: Final = (("label", "text"), ("v1", "v2"))
MAX_FIELD_LENGTH: Final = 100_000


def read_mishra(path: Path) -> Iterator[bytes]:
    """Gives the messages of either set.

    Raises:
        ImportFileError: if the file cannot be read, or is neither of both.
    """
    with open_text(path, fallback="cp1252") as file:
        for number, (label, text) in enumerate(_rows(file, path.name), 1):
            category = CATEGORIES.get(label.strip().lower())
            if category is None:
                raise ImportFileError(f"{path.name}, message {number}: the label is none of {', '.join(CATEGORIES)}")
            if text.strip():
                yield line_of(id=f"{path.name}/{number}", text=text.strip(), category=category)


def _rows(file: TextIO, name: str) -> Iterator[tuple[str, str]]:
    start = file.readline()
    columns = [column.strip().lower() for column in next(csv.reader([start]), [])]
    for label, text in COLUMNS:
        if {label, text} <= set(columns):
            yield from _csv_rows(file, columns.index(label), columns.index(text), name)
            return
    file.seek(0)
    for number, line in enumerate(file, 1):
        label, tab, text = line.rstrip("\r\n").partition("\t")
        if not tab:
            raise ImportFileError(f"{name}, line {number}: neither columns LABEL and TEXT nor a tab after the label")
        yield label, text


def _csv_rows(file: TextIO, label: int, text: int, name: str) -> Iterator[tuple[str, str]]:
    rows = csv.reader(file)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise ImportFileError(f"{name}, line {rows.line_num + 1}: no CSV; is a quote left open?") from error
        if row is None:
            return
        if len(row) > max(label, text):
            yield row[label], row[text]
