"""What holds for every test: examples of a property are not timed, because these machines do other things too."""

import logging
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

hypothesis.settings.register_profile("quietline", deadline=None)
hypothesis.settings.load_profile("quietline")


@pytest.fixture
def quiet_suite() -> Iterator[None]:
    """Keeps the log of a suite in this process, which a real one writes elsewhere, out of what a command prints."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
