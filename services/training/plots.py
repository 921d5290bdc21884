"""The plots of an evaluation, as SVG that needs no script."""

from collections.abc import Iterable
from typing import Any, Final

import altair as alt

from services.training.drawing import BAD, FAINT, GOOD, INK, NAMES, NEUTRAL, ROW, WIDTH, svg, values
from services.training.figures import UNNAMED, Evaluation, Rate
from shared.categories import HARASSMENT, PROTECTED_TOPICS, Category, Strictness

MOST_TOPICS: Final = 6
"""Topics that are shown beside the protected ones, the most frequent ones; the evaluation holds all."""

LEAST_HIT: Final = 1e-4
"""Where a rate of nothing stands on a logarithmic axis."""

STRICTNESS_COLOURS: Final = {Strictness.GENTLE: "#9cc4bd", Strictness.NORMAL: GOOD, Strictness.STRICT: "#d98b2b"}


def plot_caught(evaluation: Evaluation) -> str:
    """Shows how much harassment of each category is warned of or blocked, at each strictness."""
    rows = [
        _interval_row(category.value, strictness, evaluation.categories[category].acted[strictness].warned_or_blocked)
        for category in HARASSMENT
        for strictness in Strictness
    ]
    return _intervals(rows, "caught 拦截率", [0.0, 1.0])


def plot_hit(evaluation: Evaluation) -> str:
    """Shows how many legitimate messages are warned of or blocked by mistake, by class and topic."""
    others = sorted(
        set(evaluation.topics) - set(PROTECTED_TOPICS), key=lambda topic: -evaluation.topics[topic].messages
    )
    groups = {category.value: result for category, result in evaluation.legitimate.items()}
    groups |= {topic: evaluation.topics[topic] for topic in (*PROTECTED_TOPICS, *others[:MOST_TOPICS])}
    rows = [
        _interval_row(name, strictness, result.acted[strictness].warned_or_blocked)
        for name, result in groups.items()
        for strictness in Strictness
        if result.messages
    ]
    return _intervals(rows, "hit by mistake 误拦率", None)


def plot_trade_off(evaluation: Evaluation) -> str:
    """Shows what catching more would cost, and where the three strictnesses stand."""
    curve = [
        {"hit": max(point.hit, LEAST_HIT), "caught": point.caught, "severity": point.severity}
        for point in evaluation.trade_off
    ]
    points = [
        {
            "hit": max(_total(evaluation, strictness, legitimate=True), LEAST_HIT),
            "caught": _total(evaluation, strictness, legitimate=False),
            "strictness": strictness.value,
        }
        for strictness in Strictness
    ]
    x = alt.X("hit:Q", title="legitimate hit 误拦率", scale=alt.Scale(type="log"), axis=alt.Axis(format="~%"))
    y = alt.Y("caught:Q", title="harassment caught 拦截率", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="~%"))
    line = alt.Chart(values(curve)).mark_line(color=NEUTRAL, strokeWidth=2).encode(x=x, y=y, order="severity:Q")
    dots = (
        alt.Chart(values(points)).mark_point(filled=True, size=130, opacity=1).encode(x=x, y=y, color=_by_strictness())
    )
    return svg((line + dots).properties(width=WIDTH, height=260))


def plot_confusion(evaluation: Evaluation) -> str:
    """Shows what each category was taken for, in parts of the true category."""
    order = [NAMES[name] for name in (*(category.value for category in Category), UNNAMED)]
    rows = [
        {"true": NAMES[category.value], "named": NAMES[name], "count": count, "share": count / total}
        for category, counts in evaluation.confusion.items()
        if (total := sum(counts.values()))
        for name, count in counts.items()
    ]
    base = alt.Chart(values(rows)).encode(
        x=alt.X("named:N", sort=order, title="shown as 判为", axis=alt.Axis(labelAngle=-35, grid=False)),
        y=alt.Y("true:N", sort=order, title="truly 实为", axis=alt.Axis(grid=False)),
    )
    tiles = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("share:Q", scale=alt.Scale(range=["#f4f6f8", GOOD]), legend=None)
    )
    words = base.mark_text(fontSize=12).encode(
        text=alt.Text("count:Q", format=",d"),
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value(INK)),
        opacity=alt.condition("datum.count == 0", alt.value(0.25), alt.value(1)),
    )
    return svg((tiles + words).properties(width=WIDTH, height=alt.Step(34)))


def plot_disguises(evaluation: Evaluation) -> str:
    """Shows how much of the harassment is still caught under each disguise, and what it costs legitimate messages."""
    rows: list[dict[str, Any]] = []
    for name, result in evaluation.disguises.items():
        label = NAMES[name] + ("" if result.taught else " *")
        for kind, plain, disguised in (
            ("harassment caught 拦截", result.caught_undisguised, result.caught),
            ("legitimate hit 误拦", result.hit_undisguised, result.hit),
        ):
            if plain.rate is not None and disguised.rate is not None:
                rows.append({"name": label, "kind": kind, "plain": plain.rate, "disguised": disguised.rate})
    order = [row["name"] for row in rows]
    y = alt.Y("name:N", sort=order, title=None)
    colour = alt.Color("kind:N", title=None, scale=alt.Scale(range=[GOOD, BAD]))
    base = alt.Chart(values(rows)).encode(y=y, color=colour)
    axis = alt.Axis(format="~%")
    change = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        x=alt.X("plain:Q", title="without → with disguise 伪装前后", axis=axis, scale=alt.Scale(domain=[0, 1])),
        x2="disguised:Q",
    )
    before = base.mark_tick(thickness=2, size=14).encode(x="plain:Q")
    after = base.mark_point(filled=True, size=80, opacity=1).encode(x="disguised:Q")
    return svg((change + before + after).properties(width=WIDTH, height=alt.Step(ROW)))


def plot_reliability(evaluation: Evaluation) -> str:
    """Shows whether probabilities mean what they say: on the diagonal they do."""
    rows = [
        {
            "said": part.mean_probability,
            "true": part.harassment.rate,
            "low": part.harassment.low,
            "high": part.harassment.high,
            "messages": part.messages,
        }
        for part in evaluation.reliability.bins
        if part.messages
    ]
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("said:Q", title="probability of harassment 模型给出的概率", scale=scale, axis=alt.Axis(format="~%"))
    y = alt.Y("true:Q", title="truly harassment 实际比例", scale=scale, axis=alt.Axis(format="~%"))
    diagonal = (
        alt.Chart(values([{"said": 0, "true": 0}, {"said": 1, "true": 1}]))
        .mark_line(color=FAINT, strokeDash=[4, 4], strokeWidth=1)
        .encode(x=x, y=y)
    )
    base = alt.Chart(values(rows)).encode(x=x)
    range_ = base.mark_rule(color=GOOD, opacity=0.5).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    points = base.mark_circle(color=GOOD, opacity=1).encode(
        y=y, size=alt.Size("messages:Q", title="messages 短信数", scale=alt.Scale(range=[40, 400]))
    )
    return svg((diagonal + range_ + points).properties(width=WIDTH, height=260))


def plot_paired(evaluation: Evaluation) -> str:
    """Shows what the candidate gets right that the release in service gets wrong, and the other way round."""
    rows: list[dict[str, Any]] = []
    for group in evaluation.groups:
        if group.messages:
            name = NAMES.get(group.name, group.name)
            rows.append({"name": name, "kind": "better 改善", "count": group.only_candidate_right})
            rows.append({"name": name, "kind": "worse 变差", "count": -group.only_reference_right})
    chart = (
        alt.Chart(values(rows))
        .mark_bar(height=12, cornerRadius=2)
        .encode(
            x=alt.X("count:Q", title="messages 短信数", axis=alt.Axis(format="d", tickMinStep=1)),
            y=alt.Y("name:N", sort=[row["name"] for row in rows], title=None),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=["better 改善", "worse 变差"], range=[GOOD, BAD])
            ),
        )
    )
    return svg(chart.properties(width=WIDTH, height=alt.Step(ROW)))


def _total(evaluation: Evaluation, strictness: Strictness, *, legitimate: bool) -> float:
    results: Iterable[Rate] = (
        [result.acted[strictness].warned_or_blocked for result in evaluation.legitimate.values()]
        if legitimate
        else [evaluation.categories[category].acted[strictness].warned_or_blocked for category in HARASSMENT]
    )
    counts = [(rate.hits, rate.of) for rate in results]
    of = sum(total for _, total in counts)
    return sum(hits for hits, _ in counts) / of if of else 0.0


def _interval_row(name: str, strictness: Strictness, rate: Rate) -> dict[str, Any]:
    protected = " ◆" if name in PROTECTED_TOPICS else ""
    return {
        "name": NAMES.get(name, name) + protected,
        "strictness": strictness.value,
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
    }


def _intervals(rows: list[dict[str, Any]], title: str, domain: list[float] | None) -> str:
    names = list(dict.fromkeys(row["name"] for row in rows))
    scale = alt.Scale(domain=domain) if domain else alt.Scale(domainMin=0, clamp=True)
    base = alt.Chart(values(rows)).encode(
        y=alt.Y("name:N", sort=names, title=None),
        yOffset=alt.YOffset("strictness:N", sort=[strictness.value for strictness in Strictness]),
        color=_by_strictness(),
    )
    low = alt.X("low:Q", title=f"{title} (95 %)", scale=scale, axis=alt.Axis(format="~%"))
    spans = base.mark_rule(strokeWidth=3, opacity=0.35).encode(x=low, x2="high:Q")
    points = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("rate:Q", scale=scale))
    return svg((spans + points).properties(width=WIDTH, height=alt.Step(14)))


def _by_strictness() -> alt.Color:
    names = [strictness.value for strictness in Strictness]
    colours = [STRICTNESS_COLOURS[strictness] for strictness in Strictness]
    return alt.Color("strictness:N", title="strictness 严格程度", scale=alt.Scale(domain=names, range=colours))
