"""Disguises change how a message is written, not what it says, and anyone can make the same ones."""

import re
import subprocess
import sys
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training import augmentation
from services.training.augmentation import DISGUISES, TRAINED, UNSEEN, disguised_copy, joined_copy, linked_copy, seeded
from shared.folding import skeleton

MESSAGES = st.text(max_size=60)
INVISIBLE_TO_THE_SKELETON = ("symbols", "spaces", "zero_width", "emoji", "line_breaks", "brackets", "full_width")


@given(MESSAGES, st.sampled_from(sorted(DISGUISES)), st.integers(0, 2**31))
def test_any_text_can_be_disguised_and_always_in_the_same_way(text: str, name: str, seed: int) -> None:
    made = DISGUISES[name](text, Random(seed))
    assert made == DISGUISES[name](text, Random(seed))


@given(MESSAGES, st.sampled_from(INVISIBLE_TO_THE_SKELETON), st.integers(0, 1000))
def test_what_is_put_between_the_letters_is_gone_in_the_skeleton(text: str, name: str, seed: int) -> None:
    assert skeleton(DISGUISES[name](text, Random(seed))) == skeleton(text)


@pytest.mark.parametrize("name", sorted(DISGUISES))
def test_every_disguise_changes_a_message_that_it_was_made_for(name: str) -> None:
    text = "加微信约妹妹上门，办证开票，投注送彩金 add 123"
    assert any(DISGUISES[name](text, Random(seed)) != text for seed in range(5))


def test_some_families_stay_unseen() -> None:
    assert len(UNSEEN) == 2
    assert not set(UNSEEN) & set(TRAINED)


@given(MESSAGES, MESSAGES, st.integers(0, 1000))
def test_a_joined_copy_holds_both_texts(text: str, benign: str, seed: int) -> None:
    joined = joined_copy(text, benign, Random(seed))
    assert text in joined
    assert benign in joined


def test_a_copy_depends_on_seed_and_report_alone() -> None:
    text = "同城上门服务，加微信看照片，安全隐私"
    assert disguised_copy(text, seeded(1, "report-1")) == disguised_copy(text, seeded(1, "report-1"))
    copies = {disguised_copy(text, seeded(1, f"report-{number}")) for number in range(20)}
    assert len(copies) > 10


def test_another_process_makes_the_same_copies() -> None:
    """No copy may depend on the order of a set or on the hash seed of the process."""
    code = (
        "from services.training.augmentation import *;"
        "print([ascii(disguised_copy('同城上门加微信', seeded(1, n))) for n in range(30)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{[ascii(disguised_copy('同城上门加微信', seeded(1, n))) for n in range(30)]}\n".encode()}


def test_legitimate_messages_are_disguised_too() -> None:
    assert augmentation.disguised_copy("您的验证码是 123456，请勿告诉他人", Random(3))


LINK = re.compile(r"[A-Za-z0-9-]+\.[A-Za-z]{2,}")


@given(MESSAGES, st.integers(0, 1000))
def test_a_linked_copy_holds_the_text_and_a_link(text: str, seed: int) -> None:
    made = linked_copy(text, Random(seed))
    if LINK.search(text) is None:
        assert LINK.search(made)
        assert not Counter(text) - Counter(made)


def test_a_linked_copy_of_a_message_with_a_link_has_another_one_in_its_place() -> None:
    made = linked_copy("订单已发货，登录 http://m.example.com/a1 查看，合计 268.00 元", Random(1))
    assert made.startswith("订单已发货，登录 ")
    assert made.endswith(" 查看，合计 268.00 元")
    assert "example" not in made
