"""The two services that training talks to, over HTTP or in this process, behind one family of errors.

    PeerError
    ├── PeerUnavailableError   no answer, or one that asks to come again: worth trying again
    └── PeerRefusedError       an answer that will not change by asking again
        ├── NotFoundError      what was asked for does not exist
        └── BadAnswerError     the peer answered something that this service does not understand

Nothing a peer says is trusted to be small or well-formed: every answer has a limit, and its digest or form is checked.
Every call may be repeated: a frozen snapshot and a submitted candidate give the same answer again.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeVar

import httpx
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.training.patience import asked_seconds
from services.training.settings import Settings
from shared.release_card import Evidence, ReleaseCard, Version
from shared.web import REQUEST_HEADER, carried_headers

MAX_JSON_BYTES: Final = 1 << 20
MAX_SNAPSHOT_BYTES: Final = 4 << 30
MAX_MODEL_BYTES: Final = 16 << 20
TIMEOUT: Final = httpx.Timeout(30, connect=5)
"""How long a connection may take, and then each silence. So that nobody trickles for ever, see `LONGEST_SECONDS`."""
FREEZE_TIMEOUT: Final = httpx.Timeout(900, connect=5)
"""A million reports are not frozen in a minute."""
SHORT_TIMEOUT: Final = httpx.Timeout(3)
"""For what is asked while somebody waits for our own answer, which does not depend on it."""
LONGEST_SECONDS: Final = 1800.0
"""No answer may take longer, however steadily it comes: 4 GiB at 20 Mbit/s."""

log = structlog.get_logger()

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class PeerError(Exception):
    """A peer did not do what was asked; the text says which, what, and why."""


class PeerUnavailableError(PeerError):
    """The peer does not answer, or asks to come again later.

    Args:
        words: what happened.
        asked_seconds: how long the peer asks to wait, if it does.
    """

    def __init__(self, words: str, asked_seconds: float | None = None) -> None:
        super().__init__(words)
        self.asked_seconds = asked_seconds


class PeerRefusedError(PeerError):
    """The peer answered no, and will answer no again."""


class NotFoundError(PeerRefusedError):
    """What was asked for does not exist."""


class BadAnswerError(PeerRefusedError):
    """The answer is not in the form that was agreed."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


_AnswerType = TypeVar("_AnswerType", bound=BaseModel)


class Snapshot(_Answer):
    """A frozen data set of ingestion."""

    id: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class Channel(_Answer):
    """What a channel offers to phones."""

    release: Version | None


class Submission(_Answer):
    """The gate's word on a candidate."""

    version: Version
    state: str
    reasons: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Tells whether the candidate may be promoted."""
        return self.state == "accepted"


class _Labels(_Answer):
    verified: int = Field(ge=0)


def read_key(path: Path) -> str:
    """Gives the key for calls to peers.

    Raises:
        OSError, ValueError: if the file cannot be read or holds no key.
    """
    key = path.read_text("ascii").strip()
    if not key:
        raise ValueError("it is empty")
    return key


def complaint_of_key(path: Path) -> str | None:
    """Says in words that the peers cannot be called for want of a key, or gives None."""
    try:
        read_key(path)
    except (OSError, ValueError):
        return "the file that QUIETLINE_TRAINING_PEER_KEY_FILE names cannot be read, or holds no key"
    return None


class _KeyFromFile(httpx.Auth):
    """Reads the key for every request, so that a rotated key needs no restart."""

    def __init__(self, path: Path, peer: str) -> None:
        self._path, self._peer = path, peer

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        try:
            key = read_key(self._path)
        except (OSError, ValueError) as error:
            raise PeerUnavailableError(
                f"the key for {self._peer} cannot be read from the file that QUIETLINE_TRAINING_PEER_KEY_FILE names"
            ) from error
        request.headers["Authorization"] = f"Bearer {key}"
        yield request


class Peer:
    """One peer: requests that end in an answer of limited length or in a `PeerError`."""

    look_path: ClassVar[str]
    """What is read to see whether the peer does its part; needs the scopes that runs need."""

    def __init__(
        self,
        name: str,
        url: str,
        key_file: Path,
        transport: httpx.BaseTransport | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._clock = clock
        self._http = httpx.Client(
            base_url=url, timeout=TIMEOUT, transport=transport, auth=_KeyFromFile(key_file, name), trust_env=False
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def look(self) -> tuple[float, datetime | None]:
        """Gives how many seconds a short answer takes, and what the peer's clock says, if it does."""
        began_at_seconds = self._clock()
        with self._ask("GET", self.look_path, timeout=SHORT_TIMEOUT) as answer:
            self._read(answer, MAX_JSON_BYTES)
            date = answer.headers.get("Date")
        seconds = self._clock() - began_at_seconds
        try:
            return seconds, parsedate_to_datetime(date) if date else None
        except ValueError as error:
            raise BadAnswerError(f"{self._name} sent a Date that is none") from error

    @contextmanager
    def _ask(self, method: str, path: str, **options: Any) -> Iterator[httpx.Response]:
        headers = carried_headers()
        began_at_seconds = self._clock()
        outcome: int | str = "not sent"
        try:
            with self._http.stream(method, path, headers=headers, **options) as answer:
                outcome = answer.status_code
                if not answer.is_success:
                    raise self._refusal(answer)
                yield answer
        except httpx.HTTPError as error:
            outcome = type(error).__name__
            raise PeerUnavailableError(f"{self._name} does not answer ({outcome})") from error
        finally:
            milliseconds = round((self._clock() - began_at_seconds) * 1000, 1)
            ids = {"request_id": headers[REQUEST_HEADER]}
            log.info("peer_called", peer=self._name, method=method, outcome=outcome, milliseconds=milliseconds, **ids)

    def _refusal(self, answer: httpx.Response) -> PeerError:
        status = answer.status_code
        words = f"{self._name} answered {status}"
        if status >= 500 or status in {408, 425, 429}:  # noqa: PLR2004 - statuses that ask to come again
            return PeerUnavailableError(words, asked_seconds(answer.headers))
        if status == httpx.codes.NOT_FOUND:
            return NotFoundError(words)
        return PeerRefusedError(f"{words}: {self._problem_title(answer)}")

    def _problem_title(self, answer: httpx.Response) -> str:
        """Gives the title of the problem; its detail might repeat what was sent, its title never does."""
        try:
            title = httpx.Response(200, content=self._read(answer, MAX_JSON_BYTES)).json()["title"]
        except (BadAnswerError, ValueError, KeyError, TypeError, RecursionError):
            return "without saying why"
        return title if isinstance(title, str) else "without saying why"

    def _read(self, answer: httpx.Response, limit: int) -> bytes:
        parts: list[bytes] = []
        length = 0
        deadline_seconds = self._clock() + LONGEST_SECONDS
        for part in answer.iter_bytes():
            if self._clock() > deadline_seconds:
                raise PeerUnavailableError(f"{self._name} took more than {LONGEST_SECONDS:.0f} s to answer")
            length += len(part)
            if length > limit:
                raise BadAnswerError(f"{self._name} sent more than {limit} bytes")
            parts.append(part)
        return b"".join(parts)

    def _read_json(self, answer: httpx.Response, kind: type[_AnswerType]) -> _AnswerType:
        try:
            return kind.model_validate_json(self._read(answer, MAX_JSON_BYTES))
        except ValidationError as error:
            raise BadAnswerError(f"{self._name} sent no {kind.__name__} ({error.error_count()} faults)") from error


class Ingestion(Peer):
    """What training needs of ingestion."""

    look_path = "v1/labels/count"

    def snapshot(self, snapshot_id: str, timeout: httpx.Timeout = TIMEOUT) -> Snapshot:
        """Gives a snapshot by id, or the newest for `latest`.

        Raises:
            NotFoundError: if there is no such snapshot, or none at all.
        """
        with self._ask("GET", f"v1/snapshots/{snapshot_id}", timeout=timeout) as answer:
            return self._read_json(answer, Snapshot)

    def freeze_snapshot(self) -> Snapshot:
        """Freezes what is verified now; the same content gives the snapshot that exists."""
        with self._ask("POST", "v1/snapshots", json={}, timeout=FREEZE_TIMEOUT) as answer:
            return self._read_json(answer, Snapshot)

    def download(self, snapshot: Snapshot) -> bytes:
        """Gives a snapshot's Parquet file. The caller checks its digest."""
        with self._ask("GET", f"v1/snapshots/{snapshot.id}/data") as answer:
            return self._read(answer, MAX_SNAPSHOT_BYTES)

    def verified_labels(self) -> int:
        """Gives how many labels have been verified so far."""
        with self._ask("GET", "v1/labels/count") as answer:
            return self._read_json(answer, _Labels).verified


class Registry(Peer):
    """What training needs of the registry."""

    look_path = "v1/channels"

    def release_in_service(self, channel: str) -> str | None:
        """Gives the version of the release that the channel offers to all phones, or None."""
        try:
            with self._ask("GET", f"v1/channels/{channel}") as answer:
                return self._read_json(answer, Channel).release
        except NotFoundError:
            return None

    def card(self, version: str) -> ReleaseCard:
        """Gives a release's card."""
        with self._ask("GET", f"v1/releases/{version}/card") as answer:
            return self._read_json(answer, ReleaseCard)

    def model(self, version: str) -> bytes:
        """Gives a release's model.onnx. The caller checks its digest against the card."""
        with self._ask("GET", f"v1/releases/{version}/model") as answer:
            packed = self._read(answer, MAX_MODEL_BYTES)
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            model = unpacker.decompress(packed, MAX_MODEL_BYTES)
        except zlib.error as error:
            raise BadAnswerError(f"{self._name} sent a model that is no gzip file") from error
        if not unpacker.eof:
            raise BadAnswerError(f"{self._name} sent a model that is cut off or too long")
        return model

    def submit(self, card: ReleaseCard, evidence: Evidence, packed_model: bytes) -> Submission:
        """Hands a candidate to the gate; the same candidate again gives the same answer."""
        files = {
            "card": ("card.json", card.to_json(), "application/json"),
            "evidence": ("evidence.json", evidence.model_dump_json().encode(), "application/json"),
            "model": ("model.onnx.gz", packed_model, "application/octet-stream"),
        }
        with self._ask("POST", "v1/candidates", files=files) as answer:
            return self._read_json(answer, Submission)


@dataclass(frozen=True)
class Peers:
    """The peers of one training service."""

    ingestion: Ingestion
    registry: Registry

    @classmethod
    def over_http(cls, settings: Settings) -> Self:
        """Reaches the peers over the network."""
        return cls._over(None, settings)

    @classmethod
    def in_process(cls, wsgi: Wsgi, settings: Settings) -> Self:
        """Calls a WSGI app that holds both peers below the paths of their URLs."""
        return cls._over(httpx.WSGITransport(app=wsgi), settings)

    @classmethod
    def _over(cls, transport: httpx.BaseTransport | None, settings: Settings) -> Self:
        return cls(
            Ingestion("ingestion", settings.ingestion_url, settings.peer_key_file, transport),
            Registry("registry", settings.registry_url, settings.peer_key_file, transport),
        )

    def close(self) -> None:
        """Closes the connections."""
        self.ingestion.close()
        self.registry.close()
