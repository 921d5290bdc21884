"""A worker is taken for dead when its count stands still, whatever the clocks say."""

from pathlib import Path

from services.training.leases import ExecutorId, Lookout


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_count_that_goes_on_is_a_living_worker() -> None:
    clock = Clock()
    lookout = Lookout(10.0, clock)
    for count in range(10):
        lookout.look({"worker": count})
        clock.seconds += 9.0
        assert not lookout.is_dead("worker")


def test_a_count_that_stands_still_for_a_lease_is_a_dead_worker() -> None:
    clock = Clock()
    lookout = Lookout(10.0, clock)
    lookout.look({"worker": 7})
    clock.seconds = 10.0
    lookout.look({"worker": 7})
    assert not lookout.is_dead("worker")
    clock.seconds = 10.1
    lookout.look({"worker": 7})
    assert lookout.is_dead("worker")
    lookout.look({"worker": 8})
    assert not lookout.is_dead("worker"), "it was only slow"


def test_a_worker_without_a_lease_is_dead_at_once() -> None:
    lookout = Lookout(10.0, Clock())
    lookout.look({"other": 1})
    assert lookout.is_dead("gone")
    lookout.look({"gone": 1})
    lookout.look({})
    assert lookout.is_dead("gone")


def test_an_id_stays_the_same_as_long_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "executor-id"
    first = ExecutorId.claim(path)
    first.release()
    again = ExecutorId.claim(path)
    again.release()
    assert first.value == again.value
    assert len(first.value) == 32


def test_an_id_file_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "executor-id"
    path.write_bytes(b"\xff\x00")
    claimed = ExecutorId.claim(path)
    claimed.release()
    assert len(claimed.value) == 32
    assert path.read_text() == claimed.value


def test_replicas_that_share_a_folder_have_ids_of_their_own_and_keep_them(tmp_path: Path) -> None:
    replicas = [ExecutorId.claim(tmp_path) for _ in range(3)]
    values = [replica.value for replica in replicas]
    assert len(set(values)) == 3
    replicas[1].release()
    started_again = ExecutorId.claim(tmp_path)
    assert started_again.value == values[1]
    for replica in (replicas[0], started_again, replicas[2]):
        replica.release()
    assert len([*tmp_path.iterdir()]) == 3
