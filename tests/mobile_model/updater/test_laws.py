"""No sequence of moves of publisher, mirror, network and clock takes a phone back or leaves it without a release."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mobile_model.updater import UpdateError
from tests.mobile_model.updater.conftest import new_phone
from tests.mobile_model.updater.repository_simulator import ROLES, Clock, Repository, make_model
from tests.mobile_model.updater.tampering import change_a_byte, cut_off, never_end, no_network

TAMPERING = (change_a_byte, cut_off, never_end, no_network)


class PhoneMachine(RuleBasedStateMachine):
    """Plays the whole world around one phone."""

    @initialize(draw=st.integers(0, 99))
    def start(self, draw: int) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="quietline-")
        self.repository = Repository(Clock())
        self.repository.offer(None)
        self.truth = self.repository.remember()
        self.pasts = [self.truth]
        self.phone = new_phone(Path(self.folder.name) / "phone", self.repository, draw)
        self.numbers: dict[str, int] = {}
        self.highest = dict.fromkeys(ROLES, 0)
        self.ever_had_release = False

    @rule(number=st.integers(1, 6), other=st.integers(1, 6), percentage=st.sampled_from([0, 0, 30, 99]))
    def publish(self, number: int, other: int, percentage: int) -> None:
        self.be_honest()
        release, candidate = self.repository.add_release(number), self.repository.add_release(other)
        self.numbers |= {release: number, candidate: other}
        self.repository.offer(release, candidate if percentage else None, percentage)
        self.move_on()

    @rule(role=st.sampled_from(ROLES))
    def rotate(self, role: str) -> None:
        self.be_honest()
        self.repository.rotate(role)
        self.move_on()

    @rule(hours=st.integers(1, 100))
    def pass_time(self, hours: int) -> None:
        self.repository.clock.pass_by(hours=hours)

    @rule()
    def sign_again(self) -> None:
        self.be_honest()
        self.repository.publish()
        self.move_on()

    @rule(data=st.data())
    def serve_an_older_state(self, data: st.DataObject) -> None:
        self.repository.files = dict(data.draw(st.sampled_from(self.pasts)))

    @rule(data=st.data())
    def serve_a_mixture(self, data: st.DataObject) -> None:
        files = dict(data.draw(st.sampled_from(self.pasts)))
        other = data.draw(st.sampled_from(self.pasts))
        path = data.draw(st.sampled_from(sorted(other)))
        self.repository.files = files | {path: other[path]}

    @rule(data=st.data(), how=st.sampled_from(TAMPERING))
    def tamper(self, data: st.DataObject, how) -> None:
        self.repository.tampered = {data.draw(st.sampled_from(sorted(self.repository.files))): how}

    @rule()
    def be_honest(self) -> None:
        self.repository.files = dict(self.truth)
        self.repository.tampered = {}

    @rule()
    def update(self) -> None:
        with suppress(UpdateError):
            self.phone.update()

    @rule()
    def publish_honestly_and_update(self) -> None:
        self.sign_again()
        self.phone.update()

    @invariant()
    def no_trusted_version_goes_down(self) -> None:
        for role, highest in self.highest.items():
            file = self.phone.store.metadata_folder / f"{role}.json"
            if file.exists():
                version = json.loads(file.read_bytes())["signed"]["version"]
                assert version >= highest, role
                self.highest[role] = version

    @invariant()
    def what_scores_was_signed_whole(self) -> None:
        release = self.phone.store.current()
        if release is not None:
            self.ever_had_release = True
            assert release.model == make_model(self.numbers[release.card.version])
        assert release is not None or not self.ever_had_release

    def move_on(self) -> None:
        self.truth = self.repository.remember()
        self.pasts.append(self.truth)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestPhoneMachine = PhoneMachine.TestCase
TestPhoneMachine.settings = settings(max_examples=40, stateful_step_count=20)
