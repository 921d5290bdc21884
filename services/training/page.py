"""What the pages with plots are made of: tiles, plots and one style, and no script and no other file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from services.training.figures import Rate
from services.training.fitting import OnProgress

Figures = TypeVar("Figures")


@dataclass(frozen=True)
class Tile:
    """One figure, large, with what it is in both languages; `mood` is `good`, `bad` or nothing."""

    value: str
    words: str
    zh: str
    mood: str = ""


@dataclass(frozen=True)
class Drawing(Generic[Figures]):
    """A plot that is still to be drawn of some figures; where these hold nothing for it, it is left out."""

    title: str
    zh: str
    why: str
    draw: Callable[[Figures], str]
    has_data: bool = True


@dataclass(frozen=True)
class Plot:
    """A drawing with its headings and what it is for."""

    title: str
    zh: str
    why: str
    svg: str


def draw_plots(drawings: Sequence[Drawing[Figures]], figures: Figures, on_progress: OnProgress) -> list[Plot]:
    """Draws the plots of a page, and tells which one it is at."""
    wanted = [drawing for drawing in drawings if drawing.has_data]
    plots = []
    for number, drawing in enumerate(wanted):
        on_progress(number, len(wanted), f"drawing: {drawing.title.lower()}")
        plots.append(Plot(drawing.title, drawing.zh, drawing.why, drawing.draw(figures)))
    return plots


@cache
def template(name: str) -> Template:
    """Gives a page of this room by its path; what is filled in is escaped."""
    pages = PackageLoader(__package__, ".")
    return Environment(loader=pages, autoescape=True, undefined=StrictUndefined).get_template(name)


def percent(rate: Rate, digits: int = 1) -> str:
    """Writes a rate; a dash if there is none."""
    return "–" if rate.rate is None else f"{100 * rate.rate:.{digits}f} %"


def span(rate: Rate, digits: int = 1) -> str:
    """Writes the 95 % interval of a rate behind it, in brackets; nothing if there is none."""
    return "" if rate.rate is None else f" ({100 * rate.low:.{digits}f} to {100 * rate.high:.{digits}f})"
