"""What a container asks itself, with exit code 0 for yes: does a service answer, or was a file touched of late?

python -m services.healthcheck http://127.0.0.1:8000/ingestion/readyz
python -m services.healthcheck /tmp/heartbeat 60
"""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

TIMEOUT_SECONDS: Final = 15


def answers(url: str) -> bool:
    """Tells whether an address answers with a status that is no error."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS):  # noqa: S310 - the operator names it
            return True
    except urllib.error.HTTPError as error:
        print(error.read().decode("utf8", "replace"))  # noqa: T201 - `docker inspect` shows it
        return False
    except OSError as error:
        print(f"{url}: {type(error).__name__}")  # noqa: T201
        return False


def was_touched(file: Path, within_seconds: float) -> bool:
    """Tells whether a file was touched within so many seconds."""
    try:
        age_seconds = time.time() - file.stat().st_mtime
    except OSError as error:
        print(f"{file}: {error.strerror}")  # noqa: T201
        return False
    print(f"{file}: touched {age_seconds:.0f} s ago")  # noqa: T201
    return age_seconds <= within_seconds


def main(arguments: list[str]) -> int:
    """Gives the exit code."""
    if len(arguments) == 1:
        return 0 if answers(arguments[0]) else 1
    file, seconds = arguments
    return 0 if was_touched(Path(file), float(seconds)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
