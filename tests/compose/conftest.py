"""One stack for all tests of this folder; each leaves it as it found it."""

from collections.abc import Iterator

import pytest

from tests.compose.engine import running_engine
from tests.compose.stack import Stack, running_stack


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The images of this source tree."""
    with running_engine():
        Stack(tmp_path_factory.mktemp("images"), "quietline-test-images").build()
        yield


@pytest.fixture(scope="session")
def stack(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: ARG001 - come before
    with running_stack(tmp_path_factory.mktemp("compose")) as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(stack.certificate))  # as a machine is told that trusts this certificate
        yield stack
