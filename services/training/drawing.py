"""What all plots share: sizes, colours, names in both languages, and the way to an SVG that needs no script."""

from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import vl_convert

from services.training.figures import UNNAMED

WIDTH: Final = 560
ROW: Final = 26
INK: Final = "#1d2733"
FAINT: Final = "#8793a0"
GRID: Final = "#e6eaee"
GOOD: Final = "#1f7a6d"
BAD: Final = "#c2452d"
NEUTRAL: Final = "#5b7083"

_FONT: Final = "system-ui, 'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
_CONFIG: Final[dict[str, Any]] = {
    "font": _FONT,
    "background": "transparent",
    "padding": {"left": 24, "top": 5, "right": 5, "bottom": 5},
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": FAINT,
        "gridColor": GRID,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelLimit": 200,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": FAINT,
        "orient": "top",
        "titleFontWeight": "normal",
        "symbolType": "circle",
    },
}

NAMES: Final[Mapping[str, str]] = {
    "personal": "personal 个人",
    "transactional": "transactional 通知",
    "promotion": "promotion 营销",
    "porn": "porn 色情",
    "fraud": "fraud 诈骗",
    "gambling": "gambling 赌博",
    "illegal": "illegal 违法",
    UNNAMED: "not acted on 未拦截",
    "code": "code 验证码",
    "bank": "bank 银行",
    "hospital": "hospital 医院",
    "antenatal": "antenatal 产检",
    "police_warning": "police warning 反诈提醒",
    "courier": "courier 快递",
    "vaccination": "vaccination 疫苗",
    "insurance": "insurance 保险",
    "school": "school 学校",
    "government": "government 政务",
    "court": "court 法院",
    "utility": "utility 水电",
    "operator": "operator 运营商",
    "travel": "travel 出行",
    "ride": "ride 打车",
    "meal": "meal 外卖",
    "property": "property 物业",
    "work": "work 工作",
    "symbols": "symbols 符号",
    "radicals": "radicals 偏旁",
    "spaces": "spaces 空格",
    "zero_width": "zero width 零宽",
    "emoji": "emoji 表情",
    "line_breaks": "line breaks 断行",
    "brackets": "brackets 括号",
    "full_width": "full width 全角",
    "look_alikes": "look-alikes 形近音近",
    "polite_opening": "polite opening 开场客套",
    "polite_ending": "polite ending 结尾客套",
    "pinyin": "pinyin 拼音",
    "split_characters": "split characters 拆字",
    "behind_40": "behind 40 前加 40 字",
    "behind_200": "behind 200 前加 200 字",
    "before_40": "before 40 后加 40 字",
    "before_200": "before 200 后加 200 字",
    "two_messages": "two messages 拆成两条",
    "porn_soft": "porn, soft 夜场",
    "porn_coded": "porn, coded 暗语",
    "legitimate": "legitimate 正常",
    "spam": "spam 营销等",
}
"""What categories, labels, topics and disguises are called in a plot."""

_VEGA_LITE: Final = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def values(rows: list[dict[str, Any]]) -> alt.InlineData:
    """Gives rows as the data of a chart."""
    return alt.InlineData(values=rows)


def svg(chart: alt.LayerChart | alt.Chart) -> str:
    """Draws a chart; text in it is escaped."""
    drawn: str = vl_convert.vegalite_to_svg(chart.to_dict() | {"config": _CONFIG}, vl_version=_VEGA_LITE)
    return drawn
