"""What a person sees on a terminal: the verdict, the characters that spoke for it, and advice."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mobile_model import advice
from mobile_model.advice import Language
from mobile_model.policy import Reason
from mobile_model.scorer import Explanation, Verdict
from shared.categories import HARASSMENT, Action

STRONG: Final = 0.7
NOTABLE: Final = 0.35
"""Of the strongest contribution: from here on a character is marked."""

STYLES: Final = {Action.ALLOW: "green", Action.PROMOTION: "cyan", Action.WARN: "yellow", Action.BLOCK: "red"}
_BECAUSE_OF: Final = {Language.CHINESE: "因为：", Language.ENGLISH: "because of:"}
_CAUTIOUS: Final = frozenset({Action.WARN, Action.BLOCK})
_HIDDEN: Final = "\N{REPLACEMENT CHARACTER}"

_REASONS: Final[Mapping[Language, Mapping[Reason, str]]] = {
    Language.CHINESE: {
        Reason.CONTACT: "发件人在通讯录里",
        Reason.ALLOWED: "发件人在您的白名单里",
        Reason.LEGITIMATE: "看起来是正常短信",
        Reason.PROMOTION: "看起来是商家推广",
        Reason.BELOW_WARN: "有点像骚扰，但把握不够",
        Reason.WARN: "很可能是骚扰",
        Reason.BLOCK: "几乎可以肯定是骚扰",
        Reason.PREFERENCE: "按您的设置处理",
        Reason.NO_RELEASE: "手机上还没有可用的模型，全部放行",
    },
    Language.ENGLISH: {
        Reason.CONTACT: "the sender is in the address book",
        Reason.ALLOWED: "the sender is on your allow-list",
        Reason.LEGITIMATE: "it looks like an ordinary message",
        Reason.PROMOTION: "it looks like marketing",
        Reason.BELOW_WARN: "it resembles harassment, but not enough to say so",
        Reason.WARN: "it is probably harassment",
        Reason.BLOCK: "it is almost certainly harassment",
        Reason.PREFERENCE: "your own settings say so",
        Reason.NO_RELEASE: "there is no model on this phone yet, so everything is allowed",
    },
}


def verdict_panel(text: str, explanation: Explanation, language: Language) -> RenderableType:
    """Shows the message, what it is taken for, and what to do now."""
    verdict = explanation.verdict
    style = STYLES[verdict.action]
    parts: list[RenderableType] = [highlighted(text, explanation), Text(""), _headline(verdict, language, style)]
    if passages := marked_passages(text, explanation):
        parts.append(Text(f"{_BECAUSE_OF[language]} {' / '.join(passages)}", style="dim"))
    if verdict.action in _CAUTIOUS:
        parts.extend([Text(""), _list("•", advice.advice_for(verdict.category, language))])
        parts.extend([Text(""), _list("☎", advice.where_to_report(verdict.category, language))])
    return Panel(
        Group(*parts), border_style=style, title=Text(advice.action_name(verdict.action, language), style=style)
    )


def _list(bullet: str, lines: Sequence[str]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(bullet, line)
    return table


def _headline(verdict: Verdict, language: Language, style: str) -> Text:
    name = advice.category_name(verdict.category, language)
    text = Text.assemble((f"{name} {verdict.probability:.0%}", f"bold {style}"), "  ")
    return text.append(_REASONS[language][verdict.reason]).append(f"  [{verdict.release}]", style="dim")


def no_release_panel(text: str, language: Language) -> RenderableType:
    """Shows that nothing was judged."""
    words = Text(_REASONS[language][Reason.NO_RELEASE], style="bold")
    return Panel(Group(Text(printable(text)), Text(""), words), title=advice.action_name(Action.ALLOW, language))


def explanation_panel(text: str, explanation: Explanation, language: Language) -> RenderableType:
    """Shows which characters spoke for harassment, the strongest first, and all probabilities."""
    shown = printable(text)
    lines = [highlighted(text, explanation), Text("")]
    start, end = explanation.window
    if (start, end) != (0, len(text)):
        looked_at = {Language.CHINESE: "看的是第 {}–{} 个字", Language.ENGLISH: "decided by characters {}-{}"}[language]
        lines.append(Text(looked_at.format(start + 1, end), style="dim"))
    strongest = max((abs(value) for value in explanation.contributions), default=0.0)
    for position in _speakers(explanation):
        value = explanation.contributions[position]
        bar = "█" * max(1, round(20 * value / strongest))
        lines.append(Text(f"{position + 1:>5}  {shown[position].strip() or '␣'}  {value:+.3f}  {bar}"))
    lines.append(Text(""))
    for category, probability in explanation.verdict.probabilities.items():
        lines.append(Text(f"{probability:7.2%}  {advice.category_name(category, language)}"))
    return Group(*lines)


def _speakers(explanation: Explanation, most: int = 12) -> list[int]:
    positive = [position for position, value in enumerate(explanation.contributions) if value > 0]
    return sorted(positive, key=lambda position: -explanation.contributions[position])[:most]


def highlighted(text: str, explanation: Explanation) -> Text:
    """Gives the message with the characters marked that spoke most for harassment."""
    shown = Text(printable(text))
    for position, strength in _marks(explanation).items():
        shown.stylize("bold reverse" if strength >= STRONG else "bold underline", position, position + 1)
    return shown


def marked_passages(text: str, explanation: Explanation) -> list[str]:
    """Gives the runs of marked characters, for a screen that shows no styles, in the order of the message."""
    shown = printable(text)
    passages: list[str] = []
    last = -2
    for position in _marks(explanation):
        if position == last + 1:
            passages[-1] += shown[position]
        else:
            passages.append(shown[position])
        last = position
    return [passage.strip() for passage in passages if passage.strip()]


def _marks(explanation: Explanation) -> dict[int, float]:
    """Gives the positions to mark with their strength, 1 for the strongest: none unless it is taken for harassment.

    Neighbours are averaged, so that words are marked and not single letters.
    """
    if explanation.verdict.category not in HARASSMENT:
        return {}
    padded = [0.0, *explanation.contributions, 0.0]
    smooth = [(a + 2 * b + c) / 4 for a, b, c in zip(padded, padded[1:], padded[2:], strict=False)]
    strongest = max(smooth, default=0.0)
    if strongest <= 0:
        return {}
    return {p: value / strongest for p, value in enumerate(smooth) if value >= NOTABLE * strongest}


def printable(text: str) -> str:
    """Gives a text of the same length that no terminal takes for a command: what has no shape is shown as U+FFFD."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] not in "CZ" or c == " " else _HIDDEN for c in text)
