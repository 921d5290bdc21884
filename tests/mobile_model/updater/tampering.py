"""What can become of a file on its way: each says how its bytes are sent instead."""

import itertools
from collections.abc import Callable, Iterator

from tuf.api.exceptions import DownloadHTTPError

from mobile_model.updater.errors import TooSlowError, TruncatedFileError, UnreachableError

CHUNK = bytes(10_000)


def change_a_byte(content: bytes) -> Iterator[bytes]:
    middle = len(content) // 2
    yield content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut_off(content: bytes) -> Iterator[bytes]:
    yield content[:-10]


def never_end(content: bytes) -> Iterator[bytes]:
    yield content
    yield from itertools.repeat(CHUNK)


def break_off(content: bytes) -> Iterator[bytes]:
    yield content[:10]
    raise TruncatedFileError("the connection broke off")


def time_out(content: bytes) -> Iterator[bytes]:
    yield content[:10]
    raise TooSlowError("nothing came any more")


def no_network(_content: bytes) -> Iterator[bytes]:
    raise UnreachableError("no network")
    yield b""


def refuse(status: int) -> Callable[[bytes], Iterator[bytes]]:
    def answer(_content: bytes) -> Iterator[bytes]:
        raise DownloadHTTPError(f"{status}", status)
        yield b""

    return answer


def html(_content: bytes) -> Iterator[bytes]:
    yield b"<html>Please log in to the hotel's network</html>"
