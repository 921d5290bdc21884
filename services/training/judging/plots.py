"""The plots of a judgement, as SVG that needs no script."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import altair as alt

from services.training.drawing import BAD, FAINT, GOOD, NAMES, NEUTRAL, ROW, WIDTH, svg, values
from services.training.figures import Rate
from services.training.judging.figures import SCORE_BINS, DisguiseJudgement, Judgement
from services.training.judging.messages import HARASSMENT_LABELS, LEGITIMATE_LABELS

MOST_SOURCES: Final = 12
"""Sources that are shown, the largest ones; the judgement holds all."""

_HEIGHT: Final = 260
_MARGIN: Final = 0.02


def plot_recall(judgement: Judgement) -> str:
    """Shows how much of the harassment is caught, by source and label."""
    return _rates(_rows(judgement, HARASSMENT_LABELS, "recall"), "caught 拦截率", GOOD, alt.Scale(domain=[0, 1]))


def plot_false_positives(judgement: Judgement) -> str:
    """Shows how many legitimate messages are caught by mistake, by source and label."""
    rows = _rows(judgement, LEGITIMATE_LABELS, "false_positives")
    return _rates(rows, "caught by mistake 误拦率", BAD, alt.Scale(domainMin=0, clamp=True))


def _rows(judgement: Judgement, labels: Iterable[str], total: str) -> list[dict[str, Any]]:
    sizes = Counter[str]()
    for group in judgement.groups:
        if group.source is not None:
            sizes[group.source] += group.messages
    shown = {source for source, _ in sizes.most_common(MOST_SOURCES)}
    rows = [
        _row(f"{group.source} · {NAMES[group.label]}", group.caught)
        for group in judgement.groups
        if group.source in shown and group.label in labels
    ]
    rate: Rate = getattr(judgement.total, total)
    return [*rows, _row("all 全部", rate)] if rate.of else rows


def _row(name: str, rate: Rate) -> dict[str, Any]:
    return {"name": name, "rate": rate.rate, "low": rate.low, "high": rate.high}


def _rates(rows: list[dict[str, Any]], title: str, colour: str, scale: alt.Scale) -> str:
    y = alt.Y("name:N", sort=[row["name"] for row in rows], title=None)
    base = alt.Chart(values(rows)).encode(y=y)
    low = alt.X("low:Q", title=f"{title} (95 %)", scale=scale, axis=_PERCENT_AXIS)
    spans = base.mark_rule(strokeWidth=3, opacity=0.35, color=colour).encode(x=low, x2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1, color=colour).encode(x=alt.X("rate:Q", scale=scale))
    return svg((spans + points).properties(width=WIDTH, height=alt.Step(ROW)))


def plot_scores(judgement: Judgement) -> str:
    """Shows how probable harassment was said to be, as shares of each kind of message."""
    kinds = {
        "harassment 骚扰": (judgement.scores.harassment, GOOD),
        "legitimate 正常": (judgement.scores.legitimate, BAD),
        "marketing 营销": (judgement.scores.marketing, NEUTRAL),
    }
    shown = {name: (counts, colour) for name, (counts, colour) in kinds.items() if sum(counts)}
    rows = [
        {
            "kind": name,
            "low": number / SCORE_BINS,
            "high": (number + 1) / SCORE_BINS,
            "share": count / sum(counts),
            "nothing": 0.0,
        }
        for name, (counts, _) in shown.items()
        for number, count in enumerate(counts)
    ]
    colours = [colour for _, colour in shown.values()]
    chart = (
        alt.Chart(values(rows))
        .mark_rect()
        .encode(
            x=alt.X("low:Q", title="probability of harassment 模型给出的骚扰概率", scale=alt.Scale(domain=[0, 1])),
            x2="high:Q",
            y=alt.Y("share:Q", title=None, scale=alt.Scale(type="sqrt", domain=[0, 1]), axis=_SHARE_AXIS),
            y2="nothing:Q",
            color=alt.Color("kind:N", scale=alt.Scale(domain=list(shown), range=colours), legend=None),
            row=alt.Row("kind:N", sort=list(shown), title=None, header=_HEADER),
        )
    )
    return svg(chart.properties(width=WIDTH, height=_HEIGHT // 3))


def plot_kept(judgement: Judgement) -> str:
    """Shows how much of the clean recall is kept under each disguise, beside what is wanted."""
    rows = list(_kept_rows(judgement))
    lowest = min((row["low"] for row in rows), default=0.0)
    scale = alt.Scale(domain=[max(0.0, lowest - _MARGIN), max([1.0, *(row["high"] for row in rows)])])
    base = alt.Chart(values(rows)).encode(y=alt.Y("name:N", sort=[row["name"] for row in rows], title=None))
    colour = alt.Color(
        "state:N", title=None, scale=alt.Scale(domain=["kept 保持", "too little 不足"], range=[GOOD, BAD])
    )
    low = alt.X("low:Q", title="of the clean recall 保持的拦截率 (95 %)", scale=scale, axis=_PERCENT_AXIS)
    spans = base.mark_rule(strokeWidth=3, opacity=0.35).encode(x=low, x2="high:Q", color=colour)
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("kept:Q", scale=scale), color=colour)
    wanted = base.mark_tick(thickness=2, size=14, color=FAINT).encode(x=alt.X("wanted:Q", scale=scale))
    return svg((spans + wanted + points).properties(width=WIDTH, height=alt.Step(ROW)))


def _kept_rows(judgement: Judgement) -> Iterator[dict[str, Any]]:
    """Gives the recall under each disguise and its interval as shares of the clean recall."""
    for disguise in judgement.disguises:
        clean = disguise.caught_undisguised.rate
        if disguise.kept is not None and clean:
            yield {
                "name": _disguise_name(disguise),
                "kept": disguise.kept,
                "low": disguise.caught.low / clean,
                "high": disguise.caught.high / clean,
                "wanted": disguise.kept_wanted,
                "state": "too little 不足" if disguise.keeps_too_little else "kept 保持",
            }


def _disguise_name(disguise: DisguiseJudgement) -> str:
    return NAMES[disguise.name] + ("" if disguise.family == "trained" else " *")


def plot_disguised_hits(judgement: Judgement) -> str:
    """Shows how many legitimate messages are caught by mistake under each disguise."""
    rows = [_row(_disguise_name(disguise), disguise.hit) for disguise in judgement.disguises if disguise.hit.of]
    return _rates(rows, "caught by mistake 误拦率", BAD, alt.Scale(domainMin=0, clamp=True))


_PERCENT_AXIS: Final = alt.Axis(format="~%", tickCount=8)
_SHARE_AXIS: Final = alt.Axis(format="~%", values=[0, 0.05, 0.25, 0.5, 1])
_HEADER: Final = alt.Header(labelAngle=0, labelAlign="left", labelOrient="top", labelAnchor="start", labelPadding=2)
