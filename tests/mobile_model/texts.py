"""Texts for property tests: what people write, and anything that Unicode allows."""

from typing import Final

from hypothesis import strategies as st

BENIGN: Final = "各位邻居好，近日气温回升，物业提醒大家注意防火防盗，出门关好水电，祝平安喜乐。"
SOLICITATION: Final = "老婆怀孕不方便？本地小妹可上门，加薇看照片"

TEXTS: Final = (
    "",
    "a",
    "\u0000",
    "\ud800",
    "x\udc00y",
    "\U0001f600",
    "\U00020bb7",
    "\U000f0000\U0010ffff",
    "   \t\r\n\u200b\ufeff\u00a0",
    "！？。，、；：“”‘’（）【】《》",
    "加*微.信：ＶＸ１３８",
    "加微信:vx138",
    "Wéixìn ВХ ΑΒΓ ➕🇻🇽 🅥ⓧ ❶②⑽㈠㊙",
    "𝟘𝟙𝓌𝓍 ٣४ ℡ № ½ ㎡",
    "後裡臺灣線髮 后里台湾线发",
    "😀😂❤️💋👍🏽💰🔥⭐☎️✅❌💃👶🚗⬇️",
    "مرحبا بك في متجرنا שלום לכולם",
    "\u202eevil\u202c e\u0301a\u0308 안녕하세요 ありがとう",
    BENIGN,
    SOLICITATION,
    "老*婆.怀-孕★不·方~便？本/地|小_妹 可+上=门，加 薇 看 照 片",
    BENIGN * 5 + SOLICITATION,
    SOLICITATION + BENIGN * 5,
    "字" * 38,
    "字" * 39,
    "字" * 40,
    "字" * 49,
    "字" * 50,
    "字!" * 60 + "...",
    "a.b" * 400,
)
"""Texts that are easily got wrong: empty, invisible, astral, right to left, disguised, at the edges of windows."""

any_character = st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=[])
"""Surrogates, private use and unassigned code points too."""

common_character = st.sampled_from("加微信老婆怀孕 看照片vx138，。！*.★\u200b😀【】")

any_text = st.one_of(
    st.text(any_character, max_size=120),
    st.text(common_character, max_size=300),
    st.lists(st.sampled_from([text for text in TEXTS if text]), max_size=6).map("".join),
)
