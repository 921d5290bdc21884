"""Starts one process of the suite as its own entry does; it may be doomed.

    python -m tests.system.faults.start MODULE [--doom FILE] [-- ARGUMENTS]

If FILE is there, it names a step of runs: the process kills its group when that step has had its effect, before DBOS
knows of it, and removes the file first.
"""

import argparse
import os
import runpy
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = ("begin", "read", "fit", "calibrate", "export", "evaluate", "submit", "finish")


def doom(file: Path) -> None:
    from services.training import steps  # noqa: PLC0415 - the other services know nothing of it, and start faster

    # The plots of a report take longer than all the rest, and no fault is about them.
    steps.render_report = lambda *_: b"<!doctype html>"  # type: ignore[assignment]
    for step in STEPS:
        setattr(steps.Steps, step, _doomed(getattr(steps.Steps, step), step, file))


def _doomed(work: Callable[..., Any], step: str, file: Path) -> Callable[..., Any]:
    def work_and_die(self: object, *arguments: Any) -> Any:
        result = work(self, *arguments)
        if file.exists() and file.read_text() == step:
            file.unlink()
            os.killpg(os.getpgrp(), signal.SIGKILL)
        return result

    return work_and_die


def sleep(seconds: float) -> None:
    """Stands for `time.sleep`, which libfaketime 0.9.10 breaks: it takes the moment of waking for a wrong one."""
    select.select([], [], [], seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("--doom", type=Path)
    options, rest = parser.parse_known_args()
    if "faketime" in os.environ.get("LD_PRELOAD", ""):
        time.sleep = sleep  # type: ignore[assignment]
    if options.doom is not None:
        doom(options.doom)
    sys.argv = [options.module, *(argument for argument in rest if argument != "--")]
    runpy.run_module(options.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
