"""Near-copies are one campaign, in whatever order they come."""

import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestion import grouping
from services.ingestion.campaigns import (
    Groups,
    are_near,
    campaign_name,
    campaign_number,
    normalise,
    shapes,
)
from services.ingestion.grouping import Band, Known, Placed, join

SPAM = "您好我是某某健身房的小李，最近店庆办卡送两个月私教课，名额有限，需要了解的话可以回复数字一，退订回复字母"
OTHER = "【青禾银行】您尾号1234的储蓄卡于今日支出3,500.00元，余额12,345.67元，如非本人操作请立即致电客服核实"


def variant(text: str, seed: int, changes: int) -> str:
    draw = random.Random(seed)
    characters = list(text or "空")
    for _ in range(changes):
        characters[draw.randrange(len(characters))] = chr(0x4E00 + draw.randrange(2000))
    return "".join(characters)


class Memory:
    """Keeps what the database would keep, so that whole histories take no time."""

    def __init__(self) -> None:
        self.campaigns: dict[int, int] = {}
        self.signatures: dict[int, bytes] = {}
        self.bands: dict[int, dict[int, bool]] = defaultdict(dict)
        self.counts: dict[int, int] = defaultdict(int)

    def place(self, placed: list[Placed]) -> None:
        bands = {}
        for key, members in self.bands.items():
            bands[key] = Band(crowded=any(members.values()))
            for fingerprint in members:
                bands[key].add(fingerprint, self.campaigns[fingerprint])
        outcome = join(placed, Known(dict(self.campaigns), dict(self.signatures), bands))
        for fingerprint, (signature, campaign) in outcome.patterns.items():
            self.campaigns[fingerprint] = campaign
            self.signatures[fingerprint] = signature
        for key, fingerprint in outcome.band_rows:
            self.bands[key][fingerprint] = False
        for key, fingerprint in outcome.crowds.items():
            self.bands[key] = {fingerprint: True}
        for fingerprint, campaign in self.campaigns.items():
            self.campaigns[fingerprint] = outcome.renamed.get(campaign, campaign)
        for old, new in outcome.renamed.items():
            self.counts[new] += self.counts.pop(old, 0)
        for campaign, count in outcome.counts.items():
            self.counts[campaign] += count


def history(messages: list[tuple[str, str | None]], batch: int) -> tuple[dict[int, int], dict[int, int]]:
    memory = Memory()
    placed = [
        Placed(shape, "source", hint)
        for shape, (_, hint) in zip(shapes([text for text, _ in messages]), messages, strict=True)
    ]
    for start in range(0, len(placed), batch):
        memory.place(placed[start : start + batch])
    return memory.campaigns, {campaign: count for campaign, count in memory.counts.items() if count}


texts = st.builds(variant, st.sampled_from([SPAM, OTHER, SPAM[:20], "好的", ""]), st.integers(0, 9), st.integers(0, 14))
arrivals = st.lists(st.tuples(texts, st.sampled_from([None, None, None, "a", "b"])), max_size=25)


@given(arrivals, st.randoms(use_true_random=False), st.integers(1, 25), st.sampled_from([3, 256]))
@settings(max_examples=200)
def test_campaigns_do_not_depend_on_the_order_of_arrival(messages, draw, batch, crowd):
    shuffled = list(messages)
    draw.shuffle(shuffled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "CROWD", crowd)
        assert history(messages, len(messages) or 1) == history(shuffled, batch)


@given(arrivals)
def test_every_report_is_counted_in_one_campaign(messages):
    campaigns, counts = history(messages, 4)
    assert sum(counts.values()) == len(messages)
    assert set(counts) <= set(campaigns.values())
    assert all(campaign == min(one for one, of in campaigns.items() if of == campaign) for campaign in counts)


def jaccard(one: str, other: str) -> float:
    first, second = ({text[i : i + 3] for i in range(len(text) - 2)} for text in (normalise(one), normalise(other)))
    return len(first & second) / len(first | second)


def test_near_copies_join_and_others_do_not():
    joined = defaultdict(list)
    for seed in range(300):
        copy = variant(SPAM, seed, 1 + seed % 12)
        one, other = shapes([SPAM, copy])
        similarity = jaccard(SPAM, copy)
        near = bool(set(one.bands) & set(other.bands)) and bool(are_near(one.signature, [other.signature])[0])
        joined[round(similarity, 1)].append(near)
    shares = {similarity: sum(found) / len(found) for similarity, found in joined.items()}
    assert shares[0.9] > 0.97
    assert shares[0.8] > 0.85
    assert 0.2 < shares[0.7] < 0.9
    assert shares[0.5] < 0.1
    assert shares[0.3] == 0


def test_copies_that_differ_in_digits_spelling_or_slots_only_have_one_fingerprint():
    same = ["您的餘額12.50元，尾号⟦account:4⟧", "您 的 余额 1.5元，尾号⟦account:3⟧", "您的余额９８７．６元，尾号8899"]
    assert len({shape.fingerprint for shape in shapes(same)}) == 1


def test_the_shape_of_a_text_does_not_depend_on_the_batch():
    messages = [SPAM, "", "a", "ab", "abc", OTHER, "\0", "𠀀𠀁"]
    assert shapes(messages) == [shape for message in messages for shape in shapes([message])]
    assert shapes([]) == []


def test_shapes_never_change():
    """Databases hold them: a change would let near-copies of stored texts go unseen."""
    (shape,) = shapes(["您好，这里是青禾快递，包裹已到"])
    assert shape.fingerprint == 2834598277310396050
    assert shape.signature.hex()[:16] == "3bc30d5276bb39a3"
    assert shape.bands[0] == -8206571793263072245


def test_a_crowded_band_joins_newcomers_without_comparison(monkeypatch):
    monkeypatch.setattr(grouping, "CROWD", 4)
    memory = Memory()
    (shape,) = shapes([SPAM])
    placed = [Placed(type(shape)(number, bytes([number]) * 128, (7,)), "source") for number in range(1, 7)]
    memory.place(placed[:3])
    assert set(memory.campaigns.values()) == {1, 2, 3}
    memory.place(placed[3:4])
    assert set(memory.campaigns.values()) == {1}
    memory.place(placed[4:])
    assert set(memory.campaigns.values()) == {1}
    assert memory.bands[7] == {1: True}


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20))))
def test_joined_numbers_are_named_by_their_smallest(pairs):
    groups = Groups()
    for one, other in pairs:
        groups.join(one, other)
    for one, other in pairs:
        assert groups.find(one) == groups.find(other) <= min(one, other)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_campaign_is_found_by_its_name(campaign):
    assert campaign_number(campaign_name(campaign)) == campaign


def test_lines_with_one_hint_are_one_campaign_across_imports(ingestion):
    ingestion.import_lines([{"text": SPAM, "campaign": "x"}, {"text": OTHER}])
    assert len(ingestion.campaigns()) == 2
    ingestion.import_lines([{"text": "完全不同的一句话", "campaign": "x"}])
    assert [campaign["reports"] for campaign in ingestion.campaigns()] == [2, 1]
    ingestion.import_lines([{"text": OTHER, "campaign": "x", "id": "again"}])
    assert [campaign["reports"] for campaign in ingestion.campaigns()] == [4]


def test_a_hint_means_nothing_in_another_source(ingestion):
    ingestion.import_lines([{"text": SPAM, "campaign": "x"}], source="one")
    ingestion.import_lines([{"text": OTHER, "campaign": "x"}], source="two")
    assert len(ingestion.campaigns()) == 2


def test_the_database_keeps_campaigns_as_memory_does(ingestion):
    messages = [(variant(base, seed, seed % 9), None) for base in (SPAM, OTHER) for seed in range(30)]
    random.Random(1).shuffle(messages)
    lines = [{"text": text, "id": str(n)} for n, (text, _) in enumerate(messages)]
    for start in range(0, len(lines), 7):
        ingestion.import_lines(lines[start : start + 7])
    stored = ingestion.get("/reports?limit=200").json["items"]
    expected, counts = history([(item["text"], None) for item in stored], 60)
    assert {item["campaign"] for item in stored} == {campaign_name(campaign) for campaign in expected.values()}
    assert {one["id"]: one["reports"] for one in ingestion.campaigns()} == {
        campaign_name(campaign): count for campaign, count in counts.items()
    }


def test_counts_follow_a_withdrawal(ingestion):
    made = [ingestion.report(SPAM, reporter=name).json for name in "abc"]
    ingestion.report(OTHER)
    assert [one["reports"] for one in ingestion.campaigns()] == [3, 1]
    first = made[0]
    ingestion.call("DELETE", f"/reports/{first['receipt']}", by="phone", headers={"X-Receipt-Secret": first["secret"]})
    assert [(one["reports"], one["reporters"]) for one in ingestion.campaigns()] == [(2, 2), (1, 1)]


def test_a_text_that_comes_again_after_its_withdrawal_joins_its_near_copies(ingestion):
    made = ingestion.report(SPAM).json
    assert len(ingestion.campaigns()) == 1
    ingestion.call("DELETE", f"/reports/{made['receipt']}", by="phone", headers={"X-Receipt-Secret": made["secret"]})
    ingestion.report(variant(SPAM, 3, 1))
    ingestion.report(SPAM)
    assert [one["reports"] for one in ingestion.campaigns()] == [2]
