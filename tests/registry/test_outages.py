"""What the registry says while its database or its disk is away, and that it goes on by itself afterwards."""

from shared.auth import KeyFile
from tests.databases import taken_away
from tests.registry.candidates import FIRST, SECOND
from tests.registry.conftest import problem
from tests.registry.desk import assert_agrees, with_first_release
from tests.registry.dying_disk import DyingDisk


def test_a_full_disk_takes_no_candidate_and_says_so(registry):
    registry.start(DyingDisk(0, OSError))
    answer = registry.submit(FIRST)
    assert (answer.status_code, problem(answer)) == (507, "storage-full")
    assert int(answer.headers["Retry-After"]) > 0
    registry.start()
    assert registry.get("/releases").json["items"] == []
    assert registry.submit(FIRST).status_code == 201


def test_a_registry_that_starts_before_its_database_is_ready_when_that_is(registry):
    with_first_release(registry)
    with taken_away(registry.app.extensions["engine"]):
        registry.start()
        assert registry.app.test_client().get("/readyz").status_code == 503
    assert_agrees(registry)
    assert registry.promote(SECOND).status_code == 200


def test_a_signing_key_that_is_gone_makes_the_service_unready_until_it_is_back(registry):
    (key,) = registry.settings.tuf_keys_dir.glob("timestamp-*.pem")
    hidden = key.rename(key.with_suffix(".hidden"))
    answer = registry.app.test_client().get("/readyz")
    assert (answer.status_code, problem(answer)) == (503, "not-ready")
    assert answer.json["checks"]["signing_keys"] == "these signing keys are not in the folder of keys: timestamp"
    hidden.rename(key)
    assert registry.app.test_client().get("/readyz").status_code == 200


def test_a_signing_key_that_cannot_be_read_is_named(registry):
    (key,) = registry.settings.tuf_keys_dir.glob("snapshot-*.pem")
    key.write_text("no key")
    answer = registry.app.test_client().get("/readyz")
    assert key.name in answer.json["checks"]["signing_keys"]


def test_a_registry_without_bearer_keys_is_not_ready(registry):
    KeyFile(keys=()).write(registry.settings.keys_file)
    registry.start()
    answer = registry.app.test_client().get("/readyz")
    assert (answer.status_code, problem(answer)) == (503, "not-ready")
    assert "holds no key" in answer.json["checks"]["keys"]


def test_a_database_that_is_gone_is_told_and_comes_back_without_a_hand(registry, phone):
    with_first_release(registry)
    with taken_away(registry.app.extensions["engine"]):
        answers = [
            registry.submit(SECOND),
            registry.promote(SECOND),
            registry.get("/releases"),
            registry.post("/channels/stable/rollback"),
            registry.app.test_client().get("/readyz"),
        ]
        assert registry.app.test_client().get("/healthz").status_code == 200
        phone.update()
        assert phone.version == FIRST.version
    for answer in answers:
        assert answer.status_code == 503
        assert problem(answer) in {"database-unavailable", "not-ready"}
        assert int(answer.headers["Retry-After"]) > 0
    assert_agrees(registry)
    assert registry.promote(SECOND).status_code == 200
