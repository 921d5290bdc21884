"""The stack of docker-compose.yml as something that faults are done to."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Final

from tests.compose.engine import run, running_engine
from tests.compose.stack import Stack as Containers
from tests.compose.stack import running_stack
from tests.system.faults.processes import descendants
from tests.system.faults.stacks import Fault, UnavailableError
from tests.system.suite import until

VICTIMS: Final = ("ingestion", "training-api", "training-worker", "registry", "edge", "db")


class ComposeStack:
    """Containers behind the edge, reached by plain HTTP on loopback: nobody checks certificates here."""

    name = "compose"

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self.key = (containers.secrets / "admin.key").read_text("ascii").strip()
        self.notes = [
            "a clock that jumps, a full disk, a slow peer and a kill behind a step are done to processes only"
        ]

    def url(self, path: str) -> str:
        return self._containers.loopback_address + path

    def faults(self) -> list[Fault]:
        return [
            *(self._killing(service) for service in VICTIMS),
            Fault("db gone for 30 s", self._for(30, ("stop", "--time", "0"), ("start",), "db"), 0.15),
            Fault("ingestion hangs for 30 s", self._for(30, ("pause",), ("unpause",), "ingestion"), 0.1),
            Fault("registry hangs for 30 s", self._for(30, ("pause",), ("unpause",), "registry"), 0.1),
            Fault("registry down for 30 s", self._for(30, ("stop",), ("start",), "registry"), 0.1),
            Fault("worker cut off for 30 s", self._cut_off, 0.15),
        ]

    def _container(self, service: str) -> str:
        (container,) = self._containers.containers(service)
        return container

    def _killing(self, service: str) -> Fault:
        @contextmanager
        def happen(random: Random) -> Iterator[None]:
            # The engine takes its own `kill` for a wish that the container stay away.
            until(lambda: self._kill_one(service, random), f"a process of {service} is killed")
            yield

        return Fault(f"SIGKILL of {service}", happen)

    def _kill_one(self, service: str, random: Random) -> bool:
        master = int(run("docker", "inspect", "--format", "{{.State.Pid}}", self._container(service)))
        if master == 0:  # it is being started again
            return False
        try:
            os.kill(random.choice([master, *descendants(master)]), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _for(
        self, seconds: float, begin: tuple[str, ...], end: tuple[str, ...], service: str
    ) -> Callable[[Random], AbstractContextManager[None]]:
        @contextmanager
        def happen(_random: Random) -> Iterator[None]:
            container = self._container(service)
            run("docker", *begin, container)
            try:
                threading.Event().wait(seconds)
            finally:
                run("docker", *end, container)
            yield

        return happen

    @contextmanager
    def _cut_off(self, _random: Random) -> Iterator[None]:
        network, container = f"{self._containers.name}_services", self._container("training-worker")
        run("docker", "network", "disconnect", network, container)
        try:
            threading.Event().wait(30)
        finally:
            run("docker", "network", "connect", network, container)
        yield


@contextmanager
def on_compose(folder: Path) -> Iterator[ComposeStack]:
    """Builds the images, brings a stack up and takes it down.

    Raises:
        UnavailableError: if there is no engine, or whoever runs this may not kill what runs in it.
    """
    if os.geteuid() != 0:
        raise UnavailableError("only root may kill what runs in containers")
    with ExitStack() as exits:
        try:
            exits.enter_context(running_engine())
        except AssertionError as error:
            raise UnavailableError(str(error)) from error
        Containers(folder, "quietline-faults-images").build()
        yield ComposeStack(exits.enter_context(running_stack(folder)))
