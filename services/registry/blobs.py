"""Where compressed models are kept: a folder, or a bucket, each file named after its digest."""

import hashlib
from pathlib import Path
from typing import Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from services.registry.files import Disk

SUFFIX: Final = ".model.onnx.gz"


class BlobError(Exception):
    """A stored model is gone or damaged; the text says which."""


class ModelBlobs:
    """Compressed models by digest. A stored model never changes and is never removed.

    Args:
        url: a folder, or an address that fsspec understands, such as s3://bucket/prefix.
        disk: writes into a folder; a bucket has no need of it.
    """

    def __init__(self, url: str, disk: Disk) -> None:
        self._files, self._room = fsspec.url_to_fs(url)
        self._disk = disk

    def put(self, content: bytes) -> str:
        """Stores a model durably and gives its hexadecimal SHA-256; storing it again changes nothing."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._path(sha256)
        if isinstance(self._files, LocalFileSystem):
            self._disk.write(Path(path), content)
        else:
            self._files.pipe_file(path, content)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Gives a model back.

        Raises:
            BlobError: if it is gone or damaged.
        """
        try:
            content: bytes = self._files.cat_file(self._path(sha256))
        except FileNotFoundError as error:
            raise BlobError(f"the stored model {sha256[:12]} is gone") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise BlobError(f"the stored model {sha256[:12]} is damaged")
        return content

    def _path(self, sha256: str) -> str:
        return f"{self._room}/{sha256}{SUFFIX}"
