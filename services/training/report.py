"""The evaluation as one page with plots, in English and Chinese, that needs no script and no other file."""

from typing import Any, Final

from services.training.figures import Evaluation, Rate
from services.training.fitting import OnProgress
from services.training.page import Drawing, Plot, Tile, draw_plots, percent, span, template
from shared.categories import HARASSMENT, Strictness

PARITY_LIMIT: Final = 1e-6
"""How far the graph may be from the same computation in numpy (SPEC.md)."""


def render_report(evaluation: Evaluation, on_progress: OnProgress) -> bytes:
    """Gives the HTML file.

    Args:
        evaluation: what to show.
        on_progress: is told which of the plots is being drawn.
    """
    page = template("report.html").render(
        evaluation=evaluation,
        tiles=_tiles(evaluation),
        plots=_plots(evaluation, on_progress),
        thresholds=_thresholds(evaluation),
        threshold_names=[category.value for category in HARASSMENT],
    )
    return page.encode()


def _tiles(evaluation: Evaluation) -> list[Tile]:
    caught = Rate.sum(evaluation.categories[c].acted[Strictness.NORMAL].warned_or_blocked for c in HARASSMENT)
    hit = Rate.sum(result.acted[Strictness.NORMAL].warned_or_blocked for result in evaluation.legitimate.values())
    gap = evaluation.reliability.expected_calibration_error
    difference = evaluation.parity.largest_difference
    return [
        Tile(
            percent(caught),
            f"of {caught.of:,} harassment messages caught at normal{span(caught)}",
            "骚扰短信拦截率",
            "good",
        ),
        Tile(percent(hit), f"of {hit.of:,} legitimate messages hit at normal{span(hit)}", "正常短信误拦率", "bad"),
        Tile("–" if gap is None else f"{100 * gap:.1f} %", "mean gap between probability and truth", "概率校准误差"),
        Tile(
            f"{difference:.1e}",
            f"largest difference from numpy, {'within' if difference <= PARITY_LIMIT else 'beyond'} 1e-6",
            "导出模型与 numpy 的最大差",
            "good" if difference <= PARITY_LIMIT else "bad",
        ),
        Tile(f"{evaluation.model_bytes / 1024:,.0f} KB", "model.onnx before compression", "模型大小"),
    ]


def _plots(evaluation: Evaluation, on_progress: OnProgress) -> list[Plot]:
    from services.training import plots  # noqa: PLC0415 - it takes a second to load, and only a run needs it

    drawings = [
        Drawing(
            "Harassment caught", "骚扰短信拦截率",
            "Warned of or blocked, by category and strictness.",
            plots.plot_caught,
        ),
        Drawing(
            "Legitimate messages hit", "正常短信误拦率",
            "False positives by class and topic: the worst error.",
            plots.plot_hit,
        ),
        Drawing(
            "What more would cost", "取舍曲线",
            "One threshold for all categories, moved along; dots are the card's.",
            plots.plot_trade_off,
        ),
        Drawing("Confusion", "混淆矩阵", "What each category was shown as, at normal.", plots.plot_confusion),
        Drawing(
            "Disguises", "伪装",
            "The same messages without (tick) and with (dot) a disguise, at normal.",
            plots.plot_disguises,
        ),
        Drawing(
            "Do probabilities mean what they say?", "概率是否可信",
            "On the dashed line they do.",
            plots.plot_reliability,
        ),
        Drawing(
            "Against the release in service", "与线上版本对比",
            "Messages that only one of the two gets right.",
            plots.plot_paired, has_data=evaluation.reference is not None,
        ),
    ]  # fmt: skip
    return draw_plots(drawings, evaluation, on_progress)


def _thresholds(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "strictness": strictness.value,
            "action": action,
            "cells": [getattr(evaluation.thresholds[strictness][category], action) for category in HARASSMENT],
            "bound": bound,
        }
        for strictness in Strictness
        for action, bound in evaluation.bounds[strictness].items()
    ]
