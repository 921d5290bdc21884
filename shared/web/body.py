"""The body of a request to the end that its client gave it: a cut one must not pass for a whole one."""

from io import BytesIO
from typing import Any, Final, Protocol

from gunicorn.http.errors import ParseException

BROKEN_OFF: Final = (OSError, ParseException)
"""What reading raises when the client is gone: the system's errors and gunicorn's `NoMoreData` are the first, what
gunicorn says of chunks without their end is the second. Anything else is a fault of ours."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Gives up to so many bytes, none at the end."""


class ClientLeftError(Exception):
    """The client broke off before the end of the body."""


class WholeBody:
    """A body that is read to its announced end, or not without an error.

    Not every server checks an announced length, and each raises errors of its own when the connection is gone.
    """

    def __init__(self, stream: Readable, length: int | None) -> None:
        self._stream = stream
        self._missing = length

    def read(self, size: int = -1, /) -> bytes:
        """Gives up to so many bytes, none at the end.

        Raises:
            ClientLeftError: if the end comes too early, or the body cannot be read on.
        """
        try:
            block = self._stream.read(size)
        except BROKEN_OFF as error:
            raise ClientLeftError from error
        if self._missing is not None:
            self._missing -= len(block)
            if self._missing > 0 and size != 0 and (size < 0 or not block):
                raise ClientLeftError
        return block


def read_to_the_end(environ: dict[str, Any]) -> None:
    """Puts a `WholeBody` into a WSGI environment, for whatever reads the body: a view, or a parser of JSON or forms.

    A body in memory, as calls in this process have, ends by itself, whether its length was announced or not.
    """
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH", "")
    if not length and isinstance(stream, BytesIO):
        environ["wsgi.input_terminated"] = True
    environ["wsgi.input"] = WholeBody(stream, int(length) if length.isdecimal() else None)
