"""The phone as a filter of lines: one message a line in, one answer a line out, in the same order."""

import codecs
import json
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, Final, NoReturn

from mobile_model.scorer import Scorer
from shared.categories import Action

_CHUNK_BYTES: Final = 1 << 16
_NO_RELEASE_ANSWER: Final = {"category": None, "action": Action.ALLOW, "probabilities": None, "release": None}


_LOOKS_LIKE: Final = 'a line looks like {"text": "..."}'


class InputError(Exception):
    """The input cannot be read, or a line of it holds no message; the text says which line and why."""


def answers(scorer: Scorer | None, stream: BufferedReader) -> Iterator[bytes]:
    """Answers line by line, in bunches: whoever waits for an answer gets it before more lines are read.

    Args:
        scorer: None if there is no release, and then everything is allowed.
        stream: lines of JSON objects with a "text" and, if known, a "sender".

    Raises:
        InputError: at the first line that is none of that, after the answers to all lines before it.
    """
    number = 0
    for lines in _bunches_of_lines(stream):
        done: list[bytes] = []
        for line in lines:
            number += 1
            try:
                done.append(_answer(scorer, line))
            except _NoMessageError as error:
                yield b"".join(done)
                raise InputError(f"line {number}: {error}") from error
        yield b"".join(done)


class _NoMessageError(Exception):
    """A line holds no message; the text says why."""


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_JSON: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=float)
"""Python would also read NaN, and would refuse whole numbers of many digits."""


def _answer(scorer: Scorer | None, line: bytes) -> bytes:
    try:
        message = _JSON.decode(line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise _NoMessageError(f"no JSON; {_LOOKS_LIKE}") from error
    text = message.get("text") if isinstance(message, dict) else None
    if not isinstance(text, str):
        raise _NoMessageError(f'no JSON object with a string "text"; {_LOOKS_LIKE}')
    sender = message.get("sender")
    if not isinstance(sender, str | None):
        raise _NoMessageError('"sender" is no string')
    if scorer is None:
        return _line(_NO_RELEASE_ANSWER)
    verdict = scorer.score(text, sender)
    return _line({
        "category": verdict.category,
        "action": verdict.action,
        "probabilities": verdict.probabilities,
        "release": verdict.release,
    })  # fmt: skip


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _bunches_of_lines(stream: BufferedReader) -> Iterator[list[bytes]]:
    """Gives whole lines in bunches, each bunch as soon as it is there; the last line needs no end."""
    rest: list[bytes] = []
    while chunk := _read_some(stream):
        head, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            rest.append(chunk)
            continue
        yield b"".join([*rest, head]).split(b"\n")
        rest = [tail]
    if last := b"".join(rest):
        yield [last]


def _read_some(stream: BufferedReader) -> bytes:
    try:
        return stream.read1(_CHUNK_BYTES)
    except OSError as error:
        raise InputError(f"standard input cannot be read: {error.strerror}") from error
