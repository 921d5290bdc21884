"""Finds a container engine that has the images which the stack is made of, and the compose that it comes with."""

import functools
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUBSTITUTES = ROOT.parent / "shared" / "tools" / "docker-standins"
"""Starts an engine and builds local images with the same names, for machines that reach no image registry."""


def run(*command: str, seconds: float = 60, environment: Mapping[str, str] | None = None, both: bool = False) -> str:
    """Runs a command, gives what it printed (on standard error too if both), and fails in its own words."""
    done = attempt(*command, seconds=seconds, environment=environment)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout + done.stderr if both else done.stdout


def attempt(
    *command: str, seconds: float = 60, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs a command that may fail."""
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False, env=environment
    )


def works(*command: str, seconds: float = 60) -> bool:
    try:
        return attempt(*command, seconds=seconds).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def base_images() -> set[str]:
    """Names what is pulled: the images of docker-compose.yml that are not built here, and that of the recipe."""
    compose = (ROOT / "docker-compose.yml").read_text("utf8")
    recipe = (ROOT / "services" / "Dockerfile").read_text("utf8")
    pulled = set(re.findall(r"^ +image: ([^/\s]+)$", compose, re.MULTILINE))
    return pulled | set(re.findall(r"^FROM (\S+)", recipe, re.MULTILINE))


@contextmanager
def running_engine() -> Iterator[None]:
    """Makes sure that there is an engine with all images, by its registry or by substitutes; ends what it started."""
    was_running, wanted = works("docker", "info"), sorted(base_images())
    if not (was_running and all(_has(image) for image in wanted)):
        assert SUBSTITUTES.exists(), f"no container engine answers, or it cannot pull {', '.join(wanted)}"
        run(str(SUBSTITUTES), seconds=1800)
    try:
        yield
    finally:
        if not was_running:
            run(str(SUBSTITUTES), "--down")


def _has(image: str) -> bool:
    return works("docker", "image", "inspect", image) or works("docker", "pull", "--quiet", image, seconds=300)


@functools.cache
def compose() -> tuple[str, ...]:
    """Gives the words that call compose: the engine's own, or the older program."""
    return ("docker", "compose") if works("docker", "compose", "version") else ("docker-compose",)
