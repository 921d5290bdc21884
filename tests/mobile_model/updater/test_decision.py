"""Which release a phone takes depends on the channel and the phone's draw, and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from mobile_model.updater.decision import Adopt, Keep, Leave, decide
from shared.release_card import ChannelFile

A, B, C = (f"2025010{day}-000000-00000000" for day in (1, 2, 3))
versions = st.sampled_from([None, A, B, C])


@st.composite
def channels(draw: st.DrawFn) -> ChannelFile:
    release, candidate = draw(versions), draw(versions)
    named = {release, candidate}
    return ChannelFile(
        release=release,
        candidate=candidate,
        percentage=draw(st.integers(1, 99)) if candidate else 0,
        withdrawn=tuple(version for version in (A, B, C) if version not in named and draw(st.booleans())),
    )


draws = st.integers(0, 99)


@given(channels(), draws, versions, st.booleans())
def test_what_a_phone_adopts_is_what_the_channel_names(channel, draw, current, is_sound):
    step = decide(channel, draw, current, is_sound=is_sound)
    if isinstance(step, Adopt):
        assert step.version in {channel.release, channel.candidate}
        assert step.version not in channel.withdrawn


@given(channels(), draws, versions)
def test_having_followed_a_phone_stays(channel, draw, current):
    step = decide(channel, draw, current, is_sound=True)
    after = step.version if isinstance(step, Adopt) else None if isinstance(step, Leave) else current
    assert decide(channel, draw, after, is_sound=True) == Keep()


@given(channels(), draws, versions)
def test_no_phone_stays_with_a_withdrawn_release(channel, draw, current):
    if current in channel.withdrawn:
        assert decide(channel, draw, current, is_sound=True) != Keep()


@given(channels())
def test_exactly_the_percentage_of_all_draws_gets_the_candidate(channel):
    wanted = [decide(channel, draw, None, is_sound=True) for draw in range(100)]
    if channel.candidate not in {None, channel.release}:
        assert wanted.count(Adopt(channel.candidate)) == channel.percentage


@given(channels(), draws)
def test_a_growing_rollout_takes_no_phone_back(channel, draw):
    if channel.candidate is not None:
        wider = channel.model_copy(update={"percentage": 99})
        if decide(channel, draw, None, is_sound=True) == Adopt(channel.candidate):
            assert decide(wider, draw, None, is_sound=True) == Adopt(channel.candidate)


def test_a_release_with_damaged_files_is_fetched_again():
    channel = ChannelFile(release=A, candidate=None, percentage=0, withdrawn=())
    assert decide(channel, 0, A, is_sound=False) == Adopt(A)


def test_a_withdrawn_release_with_no_other_is_left():
    channel = ChannelFile(release=None, candidate=None, percentage=0, withdrawn=(A,))
    assert decide(channel, 0, A, is_sound=True) == Leave(A)


def test_a_channel_that_offers_nothing_leaves_a_good_release_alone():
    channel = ChannelFile(release=None, candidate=None, percentage=0, withdrawn=(B,))
    assert decide(channel, 0, A, is_sound=True) == Keep()
