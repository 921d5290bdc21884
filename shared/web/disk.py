"""How much room is left where a service keeps its files."""

import shutil
from pathlib import Path


def free_bytes(place: str) -> int | None:
    """Gives the room that is left for a folder, there already or not; None for an object store, which tells nobody.

    Args:
        place: a path, or an address that fsspec understands.

    Raises:
        OSError: if the disk cannot be asked.
    """
    scheme, separator, rest = place.partition("://")
    if separator and scheme != "file":
        return None
    folder = Path(rest if separator else place).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
