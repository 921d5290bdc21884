"""A judgement as one page with plots, in English and Chinese, that needs no script and no other file."""

from types import ModuleType
from typing import Final

from services.training.figures import Rate
from services.training.fitting import OnProgress
from services.training.judging.figures import Judgement
from services.training.judging.messages import LEGITIMATE_LABELS, MARKETING_LABELS
from services.training.judging.terminal import MISTAKES, kept_words, shortfalls, words_of
from services.training.page import Drawing, Plot, Tile, draw_plots, percent, span, template

_DIGITS: Final = 2


def render_judgement(judgement: Judgement, on_progress: OnProgress) -> bytes:
    """Gives the HTML file. No text of a message is in it.

    Args:
        judgement: what to show.
        on_progress: is told which of the plots is being drawn.
    """
    page = template("judging/report.html").render(
        judgement=judgement,
        tiles=_tiles(judgement),
        plots=_plots(judgement, on_progress),
        remarks=[*shortfalls(judgement), *judgement.notes],
        marketing=MARKETING_LABELS,
        legitimate=LEGITIMATE_LABELS,
        mistakes=MISTAKES,
        words_of=words_of,
        kept_words=kept_words,
        rate=lambda rate: percent(rate, _DIGITS) + span(rate, _DIGITS),
    )
    return page.encode()


def _tiles(judgement: Judgement) -> list[Tile]:
    total = judgement.total
    figures: list[tuple[Rate, str, str, str]] = [
        (total.recall, "harassment messages caught", "骚扰短信拦截率", "good"),
        (total.false_positives, "legitimate messages caught by mistake", "正常短信误拦率", "bad"),
        (total.as_promotion, "legitimate messages called promotion", "正常短信被判为营销", ""),
        (total.marketing_seen, "marketing messages seen as such or worse", "营销短信识别率", ""),
    ]
    return [
        Tile(percent(rate, _DIGITS), f"of {rate.of:,} {words}{span(rate, _DIGITS)}", zh, mood if rate.of else "")
        for rate, words, zh, mood in figures
    ]


def _plots(judgement: Judgement, on_progress: OnProgress) -> list[Plot]:
    from services.training.judging import plots  # noqa: PLC0415 - it takes a second to load, and only a page needs it

    return draw_plots(_drawings(plots, judgement), judgement, on_progress)


def _drawings(plots: ModuleType, judgement: Judgement) -> list[Drawing[Judgement]]:
    total, disguises = judgement.total, judgement.disguises
    return [
        Drawing(
            "Harassment caught", "骚扰短信拦截率",
            "Recall by source and label.",
            plots.plot_recall, has_data=total.recall.of > 0,
        ),
        Drawing(
            "Legitimate messages caught", "正常短信误拦率",
            "False positives by source and label: the worst error.",
            plots.plot_false_positives, has_data=total.false_positives.of > 0,
        ),
        Drawing(
            "Scores", "概率分布",
            "Share of the messages by probability of harassment.",
            plots.plot_scores,
        ),
        Drawing(
            "Recall kept under disguise", "伪装后保持的拦截率",
            "As a share of the clean recall; the tick is what is wanted, * marks what was not taught.",
            plots.plot_kept, has_data=any(disguise.kept is not None for disguise in disguises),
        ),
        Drawing(
            "Legitimate messages caught under disguise", "伪装后的正常短信误拦率",
            "The same disguise must not speak for harassment by itself.",
            plots.plot_disguised_hits, has_data=any(disguise.hit.of for disguise in disguises),
        ),
    ]  # fmt: skip
