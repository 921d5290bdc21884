"""The stack of docker-compose.yml as a running suite, with secrets, data, ports and a name of its own."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from services.client import SuiteClient
from services.compose_secrets import make_secrets
from tests.compose.engine import attempt, compose, run
from tests.system.suite import free_port, until

START_SECONDS = 240
BUILD_SECONDS = 1800
SERVICES = ("db", "ingestion", "training-api", "training-worker", "registry", "edge")
TAG = "test"


class Stack:
    """A stack whose files lie in a folder of the test's.

    Attributes:
        address: of the edge, with TLS.
        loopback_address: of the edge, without.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.secrets, self.data = folder / "secrets", folder / "data"
        https, http = free_port(), free_port()
        self.address, self.loopback_address = f"https://localhost:{https}", f"http://127.0.0.1:{http}"
        self._ports = {"QUIETLINE_HTTPS_PORT": str(https), "QUIETLINE_HTTP_PORT": str(http)}

    @property
    def certificate(self) -> Path:
        return self.secrets / "tls-certificate.pem"

    def environment(self) -> dict[str, str]:
        """What compose reads: this folder's secrets and data, and the user that `make secrets` found."""
        said = (self.folder / "environment").read_text().split() if (self.folder / "environment").exists() else []
        places = {"QUIETLINE_SECRETS": str(self.secrets), "QUIETLINE_DATA": str(self.data), "QUIETLINE_TAG": TAG}
        return os.environ | self._ports | places | dict(line.split("=") for line in said)

    def make_secrets(self) -> None:
        make_secrets(self.secrets, self.data, self.folder / "environment")

    def compose(self, *words: str, seconds: float = 180) -> str:
        return run(*compose(), "--project-name", self.name, *words, seconds=seconds, environment=self.environment())

    def try_compose(self, *words: str, seconds: float = 180) -> tuple[int, str]:
        """Runs what may fail, and gives its exit code and words."""
        command = (*compose(), "--project-name", self.name, *words)
        done = attempt(*command, seconds=seconds, environment=self.environment())
        return done.returncode, done.stdout + done.stderr

    def build(self) -> None:
        self.compose("build", seconds=BUILD_SECONDS)

    def up(self) -> None:
        try:
            self.compose("up", "--detach", "--no-build", seconds=START_SECONDS)
            self.until_healthy(*SERVICES)
        except AssertionError as error:
            error.add_note(self.compose("ps") + self.log()[-8000:])
            raise

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")

    def containers(self, service: str) -> list[str]:
        labels = {"project": self.name, "service": service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        return run("docker", "ps", "--quiet", "--all", *filters).split()

    def inspect(self, service: str) -> dict[str, Any]:
        """Gives what the engine knows of a service's only container."""
        (container,) = self.containers(service)
        (known,) = json.loads(run("docker", "inspect", container))
        return dict(known)

    def health(self, service: str) -> str:
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def healths(self, service: str) -> list[str]:
        """The same of each of its containers."""
        form = "{{.State.Health.Status}}"
        return run("docker", "inspect", "--format", form, *self.containers(service)).split()

    def until_healthy(self, *services: str, seconds: float = START_SECONDS) -> None:
        for service in services:
            until(lambda service=service: self.health(service) == "healthy", f"{service} is healthy", seconds)

    def inside(self, service: str, *command: str) -> str:
        """Runs a command in a service's container, and gives what it printed."""
        (container,) = self.containers(service)
        return run("docker", "exec", container, *command)

    def try_inside(self, service: str, *command: str) -> int:
        (container,) = self.containers(service)
        return attempt("docker", "exec", container, *command).returncode

    def log(self) -> str:
        return self.compose("logs", "--no-color")

    def client(self) -> SuiteClient:
        return SuiteClient(self.address, (self.secrets / "admin.key").read_text("ascii"))

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Asks the edge with the admin's key."""
        key = (self.secrets / "admin.key").read_text("ascii")
        headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
        return httpx.request(method, self.address + path, headers=headers, timeout=90, **options)


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """Brings a stack up and takes it down whatever happens; what it said is shown if it does not come up."""
    stack = Stack(folder, f"quietline-test-{os.getpid()}")
    stack.make_secrets()
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
