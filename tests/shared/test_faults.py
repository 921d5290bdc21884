"""A value that does not fit is told in our own words, and nothing of it is repeated."""

from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from shared.categories import Category
from shared.web import describe_faults, list_faults
from shared.web.faults import MOST_FAULTS

PLANTED = "plante 13900001234 planted"
ONE_OF = "must be one of 'personal', 'transactional', 'promotion', 'porn', 'fraud', 'gambling' or 'illegal'"


def _refuse(value: str) -> str:
    if value == PLANTED:
        raise ValueError("must be something else")
    return value


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    share: Annotated[float, Field(gt=0, le=1)] = 1


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Setting:
    share: Annotated[float, Field(gt=0, le=1)] = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=50), AfterValidator(_refuse)] = "a"
    name: Annotated[str, Field(pattern="^[a-z]+$")] = "a"
    count: Annotated[int, Field(ge=1, lt=9)] = 1
    agreed: bool = True
    category: Category = Category.FRAUD
    consent: Literal[True] = True
    kind: Literal["True", "spouse", None] = None
    at: AwareDatetime | None = None
    day: date | None = None
    inner: Inner = Inner()
    setting: Setting = Setting()
    many: Annotated[list[int], Field(max_length=100)] = []
    shares: dict[Category, float] = {}


def faults_of(content: object) -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(content)
    return list_faults(caught.value)


@pytest.mark.parametrize(
    ("content", "where", "why"),
    [
        ({"text": 7}, "text", "must be text"),
        ({"text": ""}, "text", "must be 1 or more characters long"),
        ({"text": "a" * 51}, "text", "must be at most 50 characters long"),
        ({"text": PLANTED}, "text", "must be something else"),
        ({"name": PLANTED}, "name", "must fit ^[a-z]+$"),
        ({"count": PLANTED}, "count", "must be a whole number"),
        ({"count": 1.5}, "count", "must be a whole number"),
        ({"count": 0}, "count", "must be 1 or more"),
        ({"count": 9}, "count", "must be less than 9"),
        ({"agreed": PLANTED}, "agreed", "must be true or false"),
        ({"category": PLANTED}, "category", ONE_OF),
        ({"consent": PLANTED}, "consent", "must be true"),
        ({"kind": PLANTED}, "kind", "must be 'True', 'spouse' or null"),
        ({"at": PLANTED}, "at", "must be a time, such as 2025-06-01T12:00:00+08:00"),
        ({"at": "2025-06-01T12:00:00"}, "at", "must be a time, such as 2025-06-01T12:00:00+08:00"),
        ({"day": PLANTED}, "day", "must be a day, such as 2025-06-01"),
        ({"inner": PLANTED}, "inner", "must be an object"),
        ({"inner": {"share": 0}}, "inner.share", "must be more than 0.0"),
        ({"inner": {"share": 2}}, "inner.share", "must be 1.0 or less"),
        ({"inner": {PLANTED: 1}}, "inner", "holds a member that is not known"),
        ({"setting": 5}, "setting", "must be an object"),
        ({"setting": [PLANTED]}, "setting", "must be an object"),
        ({"setting": {"share": 2}}, "setting.share", "must be 1.0 or less"),
        ({"setting": {PLANTED: 1}}, "setting", "holds a member that is not known"),
        ({"many": PLANTED}, "many", "must be a list"),
        ({"many": [1, PLANTED]}, "many.1", "must be a whole number"),
        ({"many": [1] * 101}, "many", "must have at most 100 items"),
        ({"shares": {PLANTED: 1}}, "shares", ONE_OF),
        ({"shares": {"porn": PLANTED}}, "shares.porn", "must be a number"),
        ({PLANTED: 1}, "body", "holds a member that is not known"),
        ({PLANTED: 1, PLANTED * 2: 2}, "body", "holds a member that is not known"),
        (PLANTED, "body", "must be an object"),
    ],
)
def test_each_fault_is_told_once_and_in_plain_words(content, where, why):
    assert faults_of(content) == [{"where": where, "why": why}]


@pytest.mark.parametrize(
    ("content", "where", "why"),
    [
        (f'{{"text": "{PLANTED}', "card", "cannot be read as JSON"),
        ("[" * 10_000, "card", "cannot be read as JSON"),
        ("null", "card", "must be an object"),
        (f'{{"{PLANTED}": 1}}', "card", "holds a member that is not known"),
        ('{"inner": {"share": 2}}', "card.inner.share", "must be 1.0 or less"),
    ],
)
def test_the_document_that_does_not_fit_is_named_where_it_is_not_the_body(content, where, why):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate_json(content)
    assert list_faults(caught.value, "card") == [{"where": where, "why": why}]


def test_faults_are_told_in_one_line():
    line = describe_faults(faults_of({"text": 7, "count": 0, "many": [PLANTED] * 9}))
    assert line.startswith("text: must be text; count: must be 1 or more; many.0: must be a whole number; ")
    assert PLANTED not in line


def test_faults_without_end_are_cut():
    assert len(faults_of({"many": [PLANTED] * 100})) == MOST_FAULTS
    assert describe_faults(faults_of({"many": [PLANTED] * 100})).count(";") == 4
