import itertools

import pytest

from mobile_model.advice import Language, action_name, advice_for, category_name, where_to_report
from shared.categories import HARASSMENT, Action, Category


@pytest.mark.parametrize(("category", "language"), list(itertools.product(HARASSMENT, Language)))
def test_every_harassment_has_advice_and_a_place_to_report(category: Category, language: Language) -> None:
    lines = advice_for(category, language)
    assert len(lines) >= 3
    assert len(set(lines)) == len(lines)
    report = " ".join(where_to_report(category, language))
    assert "110" in report
    assert "12321" in report


@pytest.mark.parametrize("language", Language)
def test_the_first_line_says_not_to_answer_or_click(language: Language) -> None:
    words = {Language.CHINESE: ("不回复", "不点链接"), Language.ENGLISH: ("Do not",)}[language]
    for category in HARASSMENT:
        assert any(word in advice_for(category, language)[0] for word in words)


def test_the_dangers_are_named() -> None:
    assert "裸聊" in "".join(advice_for(Category.PORN, "zh"))
    assert "勒索" in "".join(advice_for(Category.PORN, "zh"))
    assert "blackmail" in " ".join(advice_for(Category.PORN, "en"))
    assert "验证码" in "".join(advice_for(Category.FRAUD, "zh"))
    assert "96110" in "".join(where_to_report(Category.FRAUD, "zh"))
    for operator in ("10086999", "10010", "10000"):
        assert operator in "".join(where_to_report(Category.PORN, "zh"))


def test_a_personal_message_needs_no_advice() -> None:
    assert advice_for(Category.PERSONAL) == where_to_report(Category.PERSONAL) == ()


def test_each_language_speaks_its_own_script() -> None:
    for category in Category:
        assert all(line.isascii() for line in advice_for(category, "en") + where_to_report(category, "en"))
        assert not any(line.isascii() for line in advice_for(category, "zh") if line != "110。")
        assert category_name(category, "en").isascii()
        assert not category_name(category, "zh").isascii()
    for action in Action:
        assert action_name(action, "en").isascii()
        assert not action_name(action, "zh").isascii()


def test_both_languages_say_equally_much() -> None:
    for category in Category:
        assert len(advice_for(category, "zh")) == len(advice_for(category, "en"))
        assert len(where_to_report(category, "zh")) == len(where_to_report(category, "en"))


def test_a_language_that_is_not_spoken_is_an_error() -> None:
    with pytest.raises(ValueError, match="fr"):
        advice_for(Category.PORN, "fr")
