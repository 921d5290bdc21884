"""What an operator relies on: nobody is root, nothing is written where it should not, health tells the truth."""

import json
from pathlib import Path

import pytest

from tests.compose.engine import attempt, run
from tests.compose.stack import SERVICES, Stack
from tests.system.suite import until

pytestmark = [pytest.mark.compose, pytest.mark.enable_socket]

OURS = tuple(service for service in SERVICES if service != "db")


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_limits_comes_back_by_itself_and_is_asked_for_its_health(stack: Stack, service: str) -> None:
    known = stack.inspect(service)
    host = known["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0
    assert host.get("Init", False) is (service in OURS), "a signal ends what has only begun to start"
    assert known["Config"]["Healthcheck"]["Test"]
    assert host["LogConfig"]["Config"]["max-size"]


@pytest.mark.parametrize("service", SERVICES)
def test_no_process_runs_as_root(stack: Stack, service: str) -> None:
    (container,) = stack.containers(service)
    users = run("docker", "top", container, "-eo", "uid,pid").split("\n", 1)[1].split()[::2]
    assert users
    assert "0" not in users


@pytest.mark.parametrize("service", OURS)
def test_a_container_can_write_to_its_scratch_folder_and_nowhere_else(stack: Stack, service: str) -> None:
    assert stack.try_inside(service, "sh", "-c", "echo > /tmp/written-by-a-test && rm /tmp/written-by-a-test") == 0
    for place in ("/", "/etc", "/run/secrets", "/opt"):
        assert stack.try_inside(service, "sh", "-c", f"echo > {place}/written-by-a-test") != 0, place


def test_the_edge_cannot_change_what_is_published(stack: Stack) -> None:
    assert stack.try_inside("edge", "sh", "-c", "echo > /srv/quietline/tuf/metadata/timestamp.json") != 0
    assert stack.try_inside("registry", "sh", "-c", "echo > /run/signing-keys/new.pem") != 0


@pytest.mark.parametrize("service", SERVICES)
def test_secrets_are_files_and_in_no_environment(stack: Stack, service: str) -> None:
    secrets = {file.read_text().strip() for file in stack.secrets.iterdir() if file.is_file()}
    said = json.dumps(stack.inspect(service))
    assert not [secret for secret in secrets if secret in said]


def test_a_container_sees_no_secret_but_its_own(stack: Stack) -> None:
    seen = {service: set(stack.inside(service, "ls", "/run/secrets").split()) for service in SERVICES}
    assert seen == {
        "db": {f"{role}-database-password" for role in ("administrator", "ingestion", "training", "registry")},
        "ingestion": {"ingestion-database-password", "keys"},
        "training-api": {"training-database-password", "training-key", "keys"},
        "training-worker": {"training-database-password", "training-key", "keys"},
        "registry": {"registry-database-password", "keys"},
        "edge": {"tls-certificate", "tls-key"},
    }


def test_a_role_of_the_database_can_use_its_own_database_only(stack: Stack) -> None:
    password = (stack.secrets / "ingestion-database-password").read_text()

    def as_ingestion(database: str) -> int:
        (container,) = stack.containers("db")
        address = f"host=127.0.0.1 user=ingestion dbname={database}"
        return attempt(
            "docker", "exec", "--env", f"PGPASSWORD={password}", container, "psql", address, "--command", "SELECT 1"
        ).returncode

    assert as_ingestion("ingestion") == 0
    assert as_ingestion("training") != 0
    assert as_ingestion("registry") != 0


def test_plain_http_is_for_this_machine_alone(stack: Stack) -> None:
    ports = stack.inspect("edge")["HostConfig"]["PortBindings"]
    assert {binding["HostIp"] for binding in ports["8080/tcp"]} == {"127.0.0.1"}
    for service in SERVICES[:-1]:
        assert not stack.inspect(service)["HostConfig"]["PortBindings"], service


def test_nothing_inside_reaches_out(stack: Stack) -> None:
    networks = {service: set(stack.inspect(service)["NetworkSettings"]["Networks"]) for service in SERVICES}
    reaching_out = {service for service, found in networks.items() if f"{stack.name}_outside" in found}
    assert reaching_out == {"edge"}
    for network in ("database", "services"):
        assert (
            run("docker", "network", "inspect", "--format", "{{.Internal}}", f"{stack.name}_{network}").strip()
            == "true"
        )


def test_without_a_database_services_say_that_they_are_not_well_and_recover_by_themselves(stack: Stack) -> None:
    users = ("ingestion", "training-api", "training-worker", "registry")
    stack.compose("stop", "db")
    try:
        for service in users:
            until(lambda service=service: stack.health(service) == "unhealthy", f"{service} is not well", 180)  # type: ignore[misc]
        answer = stack.ask("GET", "/ingestion/v1/campaigns")
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) > 0
        assert stack.health("edge") == "healthy", "phones go on"
    finally:
        stack.compose("start", "db")
        stack.until_healthy("db", *users)
    assert stack.ask("GET", "/ingestion/v1/campaigns").is_success


def test_an_edge_that_has_nothing_to_serve_says_so(stack: Stack) -> None:
    timestamp = stack.data / "published" / "metadata" / "timestamp.json"
    hidden = timestamp.rename(timestamp.with_name("hidden"))
    try:
        until(lambda: stack.health("edge") == "unhealthy", "the edge is not well", 120)
    finally:
        hidden.rename(timestamp)
    stack.until_healthy("edge")


def test_without_secrets_nothing_starts(images: None, tmp_path: Path) -> None:  # noqa: ARG001 - come before
    bare = Stack(tmp_path, "quietline-test-bare")
    try:
        code, said = bare.try_compose("up", "--detach", "--no-build")
        assert code != 0
        assert "database-password" in said
        assert not run("docker", "ps", "--quiet", "--filter", f"label=com.docker.compose.project={bare.name}").strip()
    finally:
        bare.down()


@pytest.mark.parametrize("missing", ["tls-key.pem", "keys.json", "training.key"])
def test_without_one_secret_its_users_do_not_start(images: None, tmp_path: Path, missing: str) -> None:  # noqa: ARG001
    users = {"tls-key.pem": "edge", "keys.json": "ingestion", "training.key": "training-worker"}
    bare = Stack(tmp_path, "quietline-test-bare")
    bare.make_secrets()
    (bare.secrets / missing).unlink()
    try:
        code, said = bare.try_compose("up", "--detach", "--no-build", "--no-deps", users[missing])
        assert (code != 0, missing in said) == (True, True), said
    finally:
        bare.down()
