"""What a person sees on a terminal: the verdict, the characters that spoke for it, and advice."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mobile_model import advice
from mobile_model.advice import Language
from mobile_model.policy import Reason
from mobile_model.scorer import Explanation, Verdict
from mobile_model.updater import made_ago
from shared.categories import HARASSMENT, Action

STRONG: Final = 0.7
NOTABLE: Final = 0.35
"""Of the strongest contribution: from here on a character is marked."""

STYLES: Final = {Action.ALLOW: "green", Action.PROMOTION: "cyan", Action.WARN: "yellow", Action.BLOCK: "red"}
_BECAUSE_OF: Final = {Language.CHINESE: "因为：", Language.ENGLISH: "because of: "}
_RELEASE: Final = {Language.CHINESE: "模型", Language.ENGLISH: "release"}
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
_COMPARISONS: Final[Mapping[Language, Mapping[Reason, str]]] = {
    Language.CHINESE: {
        Reason.BELOW_WARN: "骚扰共 {}，不到提醒线 {}",
        Reason.WARN: "骚扰共 {}，达到提醒线 {}",
        Reason.BLOCK: "骚扰共 {}，达到拦截线 {}",
    },
    Language.ENGLISH: {
        Reason.BELOW_WARN: "harassment {} in all, a warning needs {}",
        Reason.WARN: "harassment {} in all, a warning needs {}",
        Reason.BLOCK: "harassment {} in all, blocking needs {}",
    },
}
_WITHDRAWN: Final = {
    Language.CHINESE: "模型 {} 已被撤回，还没有新的，全部放行",
    Language.ENGLISH: "the model {} was withdrawn and nothing took its place, so everything is allowed",
}


def verdict_panel(
    text: str, explanation: Explanation, language: Language, age: timedelta | None = None
) -> RenderableType:
    """Shows the message, what it is taken for and why, by which release of what age, and what to do now."""
    verdict = explanation.verdict
    style = STYLES[verdict.action]
    parts: list[RenderableType] = [highlighted(text, explanation), Text(""), _headline(verdict, language, style)]
    if reasons := because_of(text, explanation, language):
        parts.append(Text(reasons, style="dim"))
    made = f", {made_ago(age, language)}" if age is not None else ""
    parts.append(Text(f"{_RELEASE[language]} {verdict.release}{made}", style="dim"))
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
    text = Text.assemble(
        (f"{name} {verdict.probability:.0%}", f"bold {style}"), "  ", _REASONS[language][verdict.reason]
    )
    compared = comparison(verdict, language)
    return text.append(f" ({compared})") if compared else text


def why(verdict: Verdict, language: Language) -> str:
    """Says why an action was chosen, with the two numbers that decided if there are any."""
    return comparison(verdict, language) or _REASONS[language][verdict.reason]


def comparison(verdict: Verdict, language: Language) -> str:
    """Compares the probability of harassment with the threshold that decided; empty if none did."""
    words = _COMPARISONS[language].get(verdict.reason)
    if words is None or verdict.threshold is None:
        return ""
    needed = verdict.threshold.block if verdict.reason is Reason.BLOCK else verdict.threshold.warn
    return words.format(*_percents(verdict.harassment, needed))


def _percents(one: float, other: float, most_digits: int = 6) -> tuple[str, str]:
    """Gives both with as few digits as tell them apart."""
    digits = next((n for n in range(most_digits) if f"{one:.{n}%}" != f"{other:.{n}%}"), 0)
    return f"{one:.{digits}%}", f"{other:.{digits}%}"


def no_release_panel(text: str, language: Language, withdrawn: str | None = None) -> RenderableType:
    """Shows that nothing was judged, and why: there never was a release, or this one was withdrawn."""
    reason = _WITHDRAWN[language].format(withdrawn) if withdrawn else _REASONS[language][Reason.NO_RELEASE]
    words = Text(reason, style="bold")
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


def because_of(text: str, explanation: Explanation, language: Language) -> str:
    """Names the passages that spoke most for harassment, for a screen that shows no styles; empty if there are none."""
    passages = marked_passages(text, explanation)
    # Single characters say little, unless there is nothing else.
    telling = [passage for passage in passages if len(passage) > 1] or passages
    return f"{_BECAUSE_OF[language]}{' / '.join(telling)}" if telling else ""


def marked_passages(text: str, explanation: Explanation) -> list[str]:
    """Gives the runs of marked characters in the order of the message."""
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
