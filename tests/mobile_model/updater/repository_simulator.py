"""A publisher in memory that implements the phone's port to the network, and can be made to lie in every known way."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from mobile_model.updater import Fetcher
from shared.categories import HARASSMENT, Category, Strictness
from shared.release_card import (
    CategoryFigures,
    ChannelFile,
    ModelFile,
    RateBound,
    ReleaseCard,
    Threshold,
    release_version,
)

SOURCE = "https://source.example/tuf/"
ROLES = ("root", "targets", "snapshot", "timestamp")
METADATA = ("timestamp", "snapshot", "targets")
MODEL, CARD, CHANNEL = "model.onnx.gz", "card.json", "channels/stable.json"
Tamper = Callable[[bytes], Iterator[bytes]]


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    at: datetime = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **duration: float) -> None:
        self.at += timedelta(**duration)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_model(number: int) -> bytes:
    """Gives a file that is as hard to compress as a model is."""
    return b"".join(hashlib.sha256(f"{number} {block}".encode()).digest() for block in range(200))


def make_card(number: int, model: bytes, **changed: Any) -> ReleaseCard:
    run_id = hashlib.md5(str(number).encode()).hexdigest()
    created_at = datetime(2025, 5, 1, tzinfo=UTC) + timedelta(hours=number)
    values = {
        "version": release_version(created_at, run_id),
        "created_at": created_at,
        "run_id": run_id,
        "categories": tuple(Category),
        "thresholds": {
            strictness: {category: Threshold(warn=0.5, block=0.8) for category in HARASSMENT}
            for strictness in Strictness
        },
        "bounds": {
            strictness: {
                action: RateBound(wanted=0.01, upper=0.02, confidence=0.95, campaigns=300, campaigns_hit=2)
                for action in ("warn", "block")
            }
            for strictness in Strictness
        },
        "graph": {},
        "model": ModelFile(sha256=f"sha256:{sha256(model)}", length_bytes=len(model)),
        "data_digest": f"sha256:{sha256(b'data')}",
        "recipe_digest": f"sha256:{sha256(b'recipe')}",
        "evaluation": {category: CategoryFigures(messages=9, precision=0.9, recall=0.8) for category in Category},
    }
    return ReleaseCard.model_validate(values | changed)


@dataclass
class Repository(Fetcher):
    """Publishes releases and serves what it published, or what it is told to serve instead.

    `files` is what a static server would hold, by path below the source; `tampered` says for a path how its bytes are
    sent instead; `asked` are the paths that were fetched.
    """

    clock: Clock
    targets: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    tampered: dict[str, Tamper] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    lifetimes: dict[str, timedelta] = field(
        default_factory=lambda: {
            "root": timedelta(days=365),
            "targets": timedelta(days=365),
            "snapshot": timedelta(days=14),
            "timestamp": timedelta(days=3),
        }
    )
    with_digests: bool = True

    def __post_init__(self) -> None:
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        self.versions = dict.fromkeys(ROLES, 0)
        self.publish_root([self.signers["root"]])

    @property
    def root(self) -> bytes:
        return self.files["metadata/1.root.json"]

    def publish_root(self, signers: list[CryptoSigner]) -> None:
        self.versions["root"] += 1
        root = Root(version=self.versions["root"], expires=self._expiry("root"), consistent_snapshot=True)
        for role in ROLES:
            root.add_key(self.signers[role].public_key, role)
        self._put(f"metadata/{root.version}.root.json", root, signers)

    def rotate(self, role: str) -> None:
        old = self.signers["root"]
        self.signers[role] = CryptoSigner.generate_ed25519()
        self.publish_root([old, self.signers["root"]] if role == "root" else [old])
        self.publish()

    def add_release(self, number: int, *, model: bytes | None = None, **card: Any) -> str:
        """Puts a release among the signed files, at the next publication."""
        model = make_model(number) if model is None else model
        made = make_card(number, model, **card)
        self.targets[f"releases/{made.version}/card.json"] = made.to_json()
        self.targets[f"releases/{made.version}/model.onnx.gz"] = gzip.compress(model, mtime=0)
        return made.version

    def offer(
        self, release: str | None, candidate: str | None = None, percentage: int = 0, withdrawn: tuple[str, ...] = ()
    ) -> None:
        """Publishes what the channel offers."""
        channel = ChannelFile(release=release, candidate=candidate, percentage=percentage, withdrawn=withdrawn)
        self.targets["channels/stable.json"] = channel.to_json()
        self.publish()

    def publish(self) -> None:
        """Signs all that is in `targets`, and puts it where a static server would find it."""
        files = {}
        for path, content in self.targets.items():
            files[path] = TargetFile(len(content), {"sha256": sha256(content)}, path)
            folder, _, name = path.rpartition("/")
            self.files[f"targets/{folder}/{sha256(content)}.{name}"] = content
        targets = self._next(Targets, "targets", targets=files)
        snapshot = self._next(Snapshot, "snapshot", meta={"targets.json": self._meta(targets)})
        self._next(Timestamp, "timestamp", snapshot_meta=self._meta(snapshot))

    def metadata_path(self, role: str) -> str:
        """Gives where the newest metadata of a role lies."""
        return "metadata/timestamp.json" if role == "timestamp" else f"metadata/{self.versions[role]}.{role}.json"

    def target_path(self, path: str) -> str:
        """Gives where a target lies."""
        folder, _, name = path.rpartition("/")
        return f"targets/{folder}/{sha256(self.targets[path])}.{name}"

    def remember(self) -> dict[str, bytes]:
        """Gives all that is served now, for a mirror that never moves on."""
        return deepcopy(self.files)

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(SOURCE)
        self.asked.append(path)
        if path not in self.files:
            raise DownloadHTTPError(f"{url}: 404", 404)
        if path in self.tampered:
            yield from self.tampered[path](self.files[path])
        else:
            yield self.files[path]

    def _next(self, kind: type[Any], role: str, **content: Any) -> Metadata[Any]:
        self.versions[role] += 1
        signed = kind(version=self.versions[role], expires=self._expiry(role), **content)
        return self._put(self.metadata_path(role), signed, [self.signers[role]])

    def _put(self, path: str, signed: Any, signers: list[CryptoSigner]) -> Metadata[Any]:
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        self.files[path] = metadata.to_bytes()
        return metadata

    def _meta(self, metadata: Metadata[Any]) -> MetaFile:
        content = metadata.to_bytes()
        if not self.with_digests:
            return MetaFile(metadata.signed.version)
        return MetaFile(metadata.signed.version, len(content), {"sha256": sha256(content)})

    def _expiry(self, role: str) -> datetime:
        return self.clock().replace(microsecond=0) + self.lifetimes[role]
