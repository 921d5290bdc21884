"""One shape for every error that leaves a service: RFC 9457 `application/problem+json`.

The domain of a service raises its own small tree of errors; one table in its api.py maps each to a `Problem`.
A problem never repeats what the client sent: a message text, a number or a token must not travel back in an error.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"


class ProblemDocument(BaseModel):
    """The body of every answer with a status of 400 or more (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="urn:quietline:problem:<word>, stable across releases")]
    title: Annotated[str, Field(description="what is wrong, the same words for the same type")]
    status: int
    detail: Annotated[str | None, Field(description="what is wrong this time and what to do next")] = None
    request_id: Annotated[str | None, Field(description="the answer's X-Request-Id; quote it when asking for help")] = (
        None
    )


class Problem(Exception):  # noqa: N818 - the name of the standard
    """An error with the words that the client gets.

    Args:
        word: kebab-case name of the kind of problem.
        title: what is wrong, in the same words every time.
        status: HTTP status, 400 or more.
        detail: what is wrong this time and what to do next.
        headers: response headers, such as `Retry-After`.
        extra: further members of the document.
    """

    def __init__(
        self,
        word: str,
        title: str,
        status: int,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(title)
        self.word = word
        self.title = title
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def document(self, request_id: str | None = None) -> dict[str, Any]:
        """Gives the JSON object that the client reads."""
        document: dict[str, Any] = {
            "type": f"urn:quietline:problem:{self.word}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail is not None:
            document["detail"] = self.detail
        if request_id is not None:
            document["request_id"] = request_id
        return document | self.extra
