"""The rules of channels hold for every sequence of moves."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.registry.releases import (
    ALL_PHONES,
    AlreadyInServiceError,
    Channel,
    NeverAcceptedError,
    NothingToRollBackError,
    NotPromotableError,
    ReleaseError,
    ReleaseState,
    offered,
    promote,
    roll_back,
    withdraw,
    without,
)

ACCEPTED, REFUSED, WITHDRAWN = ReleaseState.ACCEPTED, ReleaseState.REFUSED, ReleaseState.WITHDRAWN
VERSIONS = ("a", "b", "c", "d")

moves = st.lists(
    st.one_of(
        st.tuples(st.just("promote"), st.sampled_from(VERSIONS), st.integers(1, 100)),
        st.tuples(st.just("promote"), st.sampled_from(VERSIONS), st.just(100)),
        st.tuples(st.just("rollback")),
        st.tuples(st.just("withdraw"), st.sampled_from(VERSIONS)),
    ),
    max_size=12,
)


def play(moves: list[tuple]) -> tuple[Channel, dict[str, ReleaseState]]:
    channel, states = Channel("stable"), dict.fromkeys(VERSIONS, ACCEPTED) | {"d": REFUSED}
    for name, *arguments in moves:
        with suppress(ReleaseError):
            if name == "promote":
                version, percentage = arguments
                channel = promote(channel, version, states[version], percentage)
            elif name == "rollback":
                channel = roll_back(channel)
            else:
                (version,) = arguments
                states[version] = withdraw(states[version], version)
                channel = without(channel, version)
    return channel, states


@given(moves)
def test_a_channel_never_offers_what_is_refused_or_withdrawn(moves):
    channel, states = play(moves)
    assert all(states[version] is ACCEPTED for version in channel.named)
    assert offered([channel]) <= channel.named


@given(moves)
def test_a_candidate_has_a_share_and_is_not_the_release(moves):
    channel, _ = play(moves)
    assert (channel.candidate is None) == (channel.percentage == 0)
    assert 0 <= channel.percentage < ALL_PHONES
    assert channel.candidate is None or channel.candidate != channel.release


@given(moves)
def test_no_release_is_remembered_twice(moves):
    channel, _ = play(moves)
    kept = [*channel.former, *([channel.release] if channel.release else [])]
    assert len(kept) == len(set(kept))


@given(moves, st.sampled_from(VERSIONS), st.integers(1, 100))
def test_promoting_twice_is_promoting_once(moves, version, percentage):
    channel, states = play(moves)
    with suppress(ReleaseError):
        once = promote(channel, version, states[version], percentage)
        assert promote(once, version, states[version], percentage) == once


@given(moves)
def test_a_rollback_undoes_the_promotion_of_a_new_release(moves):
    channel, _ = play(moves)
    if channel.release is not None:
        assert roll_back(promote(channel, "new", ACCEPTED, 100)).release == channel.release


@given(moves)
def test_a_rollback_ends_a_rollout_before_it_touches_the_release(moves):
    channel, _ = play(moves)
    assert roll_back(promote(channel, "new", ACCEPTED, 10)) == Channel("stable", channel.release, former=channel.former)


@given(moves, st.sampled_from(VERSIONS))
def test_withdrawing_twice_is_withdrawing_once(moves, version):
    channel, _ = play(moves)
    once = without(channel, version)
    assert without(once, version) == once


def test_withdrawing_the_release_falls_back_over_withdrawn_ones():
    channel, _ = play([("promote", "a", 100), ("promote", "b", 100), ("promote", "c", 100), ("withdraw", "b")])
    assert without(channel, "c").release == "a"


def test_withdrawing_the_only_release_leaves_none():
    channel, _ = play([("promote", "a", 100), ("withdraw", "a")])
    assert channel == Channel("stable")


def test_a_rollout_survives_the_withdrawal_of_another_release():
    channel, _ = play([("promote", "a", 100), ("promote", "b", 100), ("promote", "c", 20), ("withdraw", "b")])
    assert (channel.release, channel.candidate, channel.percentage) == ("a", "c", 20)


def test_the_candidate_that_takes_the_place_of_a_withdrawn_release_is_no_candidate_any_more():
    channel, _ = play([("promote", "a", 100), ("promote", "b", 100), ("promote", "a", 20), ("withdraw", "b")])
    assert (channel.release, channel.candidate) == ("a", None)


@pytest.mark.parametrize("state", [REFUSED, WITHDRAWN])
def test_only_an_accepted_release_can_be_promoted(state):
    with pytest.raises(NotPromotableError):
        promote(Channel("stable"), "a", state, 100)


def test_the_release_of_all_phones_cannot_go_to_a_share():
    with pytest.raises(AlreadyInServiceError):
        promote(Channel("stable", "a"), "a", ACCEPTED, 50)


def test_the_first_release_cannot_be_rolled_back():
    with pytest.raises(NothingToRollBackError):
        roll_back(Channel("stable", "a"))


def test_what_the_gate_refused_cannot_be_withdrawn():
    with pytest.raises(NeverAcceptedError):
        withdraw(REFUSED, "a")
