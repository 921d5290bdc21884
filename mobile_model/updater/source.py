"""A source of releases that trusts nothing but what its root leads to: TUF's client, with the phone's errors."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    LengthOrHashMismatchError,
    UnsignedMetadataError,
)
from tuf.api.exceptions import ExpiredMetadataError as TufExpiredError
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from mobile_model.updater.disk import writing_disk
from mobile_model.updater.errors import (
    ChangedFileError,
    ClientTooOldError,
    EndlessFileError,
    ExpiredMetadataError,
    MalformedMetadataError,
    MissingFileError,
    MixedMetadataError,
    OlderMetadataError,
    TruncatedFileError,
    TrustError,
    UnfitReleaseError,
    UnknownChannelError,
    UnreachableError,
    WrongClockError,
    WrongSignatureError,
)
from mobile_model.updater.fetcher import Fetcher
from mobile_model.updater.store import PhoneStore
from shared.release_card import (
    CLIENT_FORMAT,
    MAX_COMPRESSED_MODEL_BYTES,
    MAX_MODEL_BYTES,
    ChannelFile,
    ReleaseCard,
)

MAX_DOCUMENT_BYTES: Final = 64 * 1024
"""The longest card and the longest channel file that a phone reads."""

LONGEST_TIMESTAMP: Final = timedelta(days=30)
"""No publisher signs a timestamp for longer, so one that is valid for longer shows that the phone's clock is behind."""

CLOCK_TOLERANCE: Final = timedelta(days=1)
GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
NOT_FOUND: Final = frozenset({403, 404, 410})

CONFIG: Final = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=1,
    root_max_length=MAX_DOCUMENT_BYTES,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=MAX_DOCUMENT_BYTES,
    targets_max_length=2 * 1024 * 1024,
    app_user_agent="quietline-phone",
)


class _Watch(FetcherInterface):
    """Remembers what was asked for last and how much of it came, which TUF's errors do not say."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self.url = ""
        self.received_bytes = 0

    @property
    def source_time(self) -> datetime | None:
        return self._fetcher.source_time

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.url, self.received_bytes = url, 0
        for chunk in self._fetcher.fetch(url):
            self.received_bytes += len(chunk)
            yield chunk


class TrustedSource:
    """What one refresh of the metadata found.

    Args:
        store: the phone, whose root and earlier metadata say what to trust.
        source: address of the published directory.
        fetcher: the network.
        now: the time.
    """

    def __init__(self, store: PhoneStore, source: str, fetcher: Fetcher, now: datetime) -> None:
        self._store = store
        self._now = now
        self._watch = _Watch(fetcher)
        base = source.rstrip("/")
        with self._errors_of_the_phone(), writing_disk():
            store.metadata_folder.mkdir(exist_ok=True)
            self._updater = Updater(
                str(store.metadata_folder),
                f"{base}/metadata/",
                target_base_url=f"{base}/targets/",
                fetcher=self._watch,
                config=CONFIG,
                bootstrap=store.root(),
            )
            # The TUF client reads the system's clock once, here; the phone's clock is an argument.
            self._trusted = self._updater._trusted_set
            self._trusted.reference_time = now
            self._updater.refresh()
        self._refuse_late_clock()

    def channel(self, name: str) -> ChannelFile:
        """Gives what the channel offers.

        Raises:
            UnknownChannelError: if the source does not have it.
            UnfitReleaseError: if it is not in a format that this program knows.
        """
        target = self._updater.get_targetinfo(f"channels/{name}.json")
        if target is None:
            raise UnknownChannelError(f"the source has no channel {name}")
        try:
            return ChannelFile.from_json(self._document(target))
        except ValidationError as error:
            raise UnfitReleaseError(f"channel {name} is not in a format that this program knows") from error

    def has_verified(self, version: str) -> bool:
        """Tells whether the phone holds exactly the release that is signed now."""
        folder = self._store.release_folder(version)
        card_file = self._updater.find_cached_target(self._target(version, "card.json"), str(folder / "card.json"))
        if card_file is None:
            return False
        card = ReleaseCard.from_json(Path(card_file).read_bytes())
        try:
            model = (folder / "model.onnx").read_bytes()
        except FileNotFoundError:
            return False
        return _digest(model) == card.model.sha256

    def release(self, version: str) -> tuple[bytes, bytes]:
        """Downloads a release, and gives its card and its model once everything was verified.

        Raises:
            ClientTooOldError: if it needs a newer program.
            UnfitReleaseError: if card and model do not fit.
            UpdateError: for whatever goes wrong on the way.
        """
        raw_card = self._document(self._target(version, "card.json"))
        card = read_card(raw_card)
        if card.version != version:
            raise UnfitReleaseError(f"the card of {version} says that it is {card.version}")
        if card.created_at > self._now + CLOCK_TOLERANCE:
            raise WrongClockError(f"{version} is from the future; the phone's clock says {self._now:%Y-%m-%d}, set it")
        compressed = self._download(self._target(version, "model.onnx.gz"), MAX_COMPRESSED_MODEL_BYTES)
        return raw_card, unpack_model(compressed, card)

    def _target(self, version: str, name: str) -> TargetFile:
        target = self._updater.get_targetinfo(f"releases/{version}/{name}")
        if target is None:
            raise MissingFileError(f"the channel names {version}, but its {name} is not among the signed files")
        return target

    def _document(self, target: TargetFile) -> bytes:
        return self._download(target, MAX_DOCUMENT_BYTES)

    def _download(self, target: TargetFile, max_bytes: int) -> bytes:
        if target.length > max_bytes:
            raise EndlessFileError(f"{target.path} has {target.length} bytes; the phone takes at most {max_bytes}")
        file = self._store.incoming_folder / hashlib.sha256(target.path.encode()).hexdigest()
        with self._errors_of_the_phone(target), writing_disk():
            self._updater.download_target(target, str(file))
            return file.read_bytes()

    def _refuse_late_clock(self) -> None:
        if self._trusted.timestamp.expires - self._now > LONGEST_TIMESTAMP:
            raise WrongClockError(
                f"the phone's clock says {self._now:%Y-%m-%d}, but what it received is valid until "
                f"{self._trusted.timestamp.expires:%Y-%m-%d}; set the clock and update again"
            )

    @contextmanager
    def _errors_of_the_phone(self, target: TargetFile | None = None) -> Iterator[None]:
        try:
            yield
        except TufExpiredError as error:
            raise self._expired() from error
        except (TufError, DownloadError) as error:
            raise _translate(error, self._watch, target) from error

    def _expired(self) -> TrustError:
        told = self._watch.source_time
        if told is not None and abs(told - self._now) > CLOCK_TOLERANCE:
            return WrongClockError(
                f"the phone's clock says {self._now:%Y-%m-%d}, the source's {told:%Y-%m-%d}; "
                "set the clock and update again"
            )
        return ExpiredMetadataError(
            "what the source offers was signed too long ago; someone may be keeping news from this phone, "
            "or the publisher is off. Nothing was changed; try again later, over another network if you can"
        )


def read_card(raw: bytes) -> ReleaseCard:
    """Reads a release card, whatever future it comes from.

    Raises:
        ClientTooOldError: if it says that it needs a newer program.
        UnfitReleaseError: if it is no card.
    """
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnfitReleaseError("the release card is no JSON") from error
    required = content.get("requires_client") if isinstance(content, dict) else None
    if isinstance(required, int) and required > CLIENT_FORMAT:
        raise ClientTooOldError(
            f"the release needs client format {required}, this program knows {CLIENT_FORMAT}; install a newer program"
        )
    try:
        return ReleaseCard.from_json(raw)
    except ValidationError as error:
        raise UnfitReleaseError("the release card does not fit") from error


def unpack_model(compressed: bytes, card: ReleaseCard) -> bytes:
    """Gives the model, which is the one of the card and no byte longer.

    Raises:
        UnfitReleaseError: if it is not, or if it would grow beyond what phones take.
    """
    stated = card.model.length_bytes
    if stated > MAX_MODEL_BYTES:
        raise UnfitReleaseError(f"the model has {stated} bytes; the phone takes at most {MAX_MODEL_BYTES}")
    unpacker = zlib.decompressobj(wbits=GZIP_WINDOW)
    try:
        model = unpacker.decompress(compressed, stated + 1)
    except zlib.error as error:
        raise UnfitReleaseError("the model cannot be unpacked") from error
    if len(model) != stated or not unpacker.eof or unpacker.unused_data:
        raise UnfitReleaseError(f"the model does not unpack to the {stated} bytes that its card states")
    if _digest(model) != card.model.sha256:
        raise UnfitReleaseError("the model is not the one of its card")
    return model


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _translate(error: TufError | DownloadError, watch: _Watch, target: TargetFile | None) -> Exception:
    """Says in the phone's words what TUF's client found."""
    name = watch.url.rpartition("/")[2]
    words: list[tuple[type[Exception], Callable[[], Exception]]] = [
        (
            UnsignedMetadataError,
            lambda: WrongSignatureError(f"{name} is not signed by keys that this phone trusts"),
        ),
        (BadVersionNumberError, lambda: _wrong_version(name)),
        (LengthOrHashMismatchError, lambda: _wrong_content(name, watch.received_bytes, target)),
        (DownloadLengthMismatchError, lambda: EndlessFileError(f"{name} is longer than was announced; it was cut off")),
        (DownloadHTTPError, lambda: _refused(name, error)),
        (DownloadError, lambda: UnreachableError(f"{name} could not be fetched; is the network up?")),
        (TufError, lambda: MalformedMetadataError(f"{name} cannot be understood; this source is broken or no source")),
    ]
    return next(make() for kind, make in words if isinstance(error, kind))


def _wrong_version(name: str) -> TrustError:
    if name == "timestamp.json":
        return OlderMetadataError("the source offers something older than this phone has seen; nothing was changed")
    return MixedMetadataError(f"{name} does not belong to the other files of the source, or goes back in time")


def _wrong_content(name: str, received_bytes: int, target: TargetFile | None) -> Exception:
    if target is None:
        return MixedMetadataError(f"{name} is not the file that the source's other files announce")
    if received_bytes < target.length:
        return TruncatedFileError(f"{target.path} ended after {received_bytes} of {target.length} bytes; try again")
    return ChangedFileError(
        f"{target.path} is not the file that was signed; it was changed on its way or at its source"
    )


def _refused(name: str, error: Exception) -> Exception:
    status = error.status_code if isinstance(error, DownloadHTTPError) else 0
    if status in NOT_FOUND:
        return MissingFileError(f"the source does not have {name}; is the address right?")
    return UnreachableError(f"the source answered {status} for {name}; try again later")
