"""Disguised copies of messages, as people write them who want to get past a filter.

Legitimate and marketing messages are disguised as well, so that a disguise by itself speaks for nothing. Every copy
depends only on the recipe's seed, the report id and the number of the copy: any machine makes the same ones.

Families in `UNSEEN` are never trained on. The evaluation reports them beside the others, so that one sees how the
model does on a trick that it was not taught.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

Disguise = Callable[[str, Random], str]

_MARKS: Final = "*.-_~·/|+=^#。，、；：…！丶丨"
_EMOJI: Final = "😊🌹❤🔥👉💰🎁✨📱🍀💋🌸👌⭐🎉"
_ZERO_WIDTH: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_BRACKETS: Final = ("【】", "（）", "「」", "[]", "<>", "《》", "{}")

_SWAPS: Final[Mapping[str, str]] = {
    "微": "薇徽威维嶶", "信": "芯心訫伈", "加": "佳咖嘉伽", "群": "裙峮帬", "妹": "昧沬媄", "约": "药葯箹", "扣": "寇叩蔻",
    "赌": "堵睹渎", "博": "搏愽膊", "彩": "采寀睬", "票": "飘漂僄", "贷": "岱袋代", "款": "歀欵宽", "钱": "浅前戋", "银": "垠珢吟",
    "红": "鸿虹洪", "包": "苞孢宝", "联": "莲链连", "系": "係喺细", "送": "颂宋淞", "元": "沅圆园", "注": "註驻柱", "册": "删策侧",
    "办": "辦半伴", "证": "证正証", "发": "珐髪阀", "美": "镁媺渼", "女": "钕汝囡", "小": "晓尐筱", "姐": "姊洁旦", "服": "伏菔弗",
    "务": "误雾婺", "上": "尚丄仩", "门": "们闷扪", "茶": "荼搽查", "品": "榀拼晶", "激": "鷔缴及", "情": "晴清氰", "裸": "倮蜾赢",
    "聊": "嘹辽寥", "视": "示是眡", "频": "频颦蘋", "点": "奌典碘", "击": "几基激", "提": "题缇堤", "现": "限見現", "免": "勉兔娩",
    "费": "肺沸废", "领": "岭令玲", "积": "鸡机绩", "分": "芬氛纷", "兑": "对队怼", "换": "唤焕涣", "刷": "唰涮耍", "单": "丹担箪",
    "投": "透骰头", "资": "姿咨孜", "股": "古鼓骨", "卡": "咔咖佧", "密": "蜜秘宓", "码": "玛蚂犸", "号": "毫浩呺", "客": "刻恪克",
    "平": "坪苹泙", "台": "抬苔薹", "盘": "磐槃蟠", "下": "吓夏丅", "载": "栽哉再", "网": "罔枉忘", "址": "祉芷趾", "代": "玳待袋",
    "开": "揩凯锎", "快": "筷块侩", "陪": "培赔倍", "按": "桉胺鞍", "摩": "磨魔麽", "房": "防坊妨", "酒": "久九氿", "店": "惦踮坫",
}  # fmt: skip
"""Characters that sound or look alike enough for a reader to guess. Written for this project, kept small on purpose."""

_LEET: Final[Mapping[str, str]] = {
    "a": "@4",
    "e": "3€",
    "i": "1!",
    "o": "0°",
    "s": "$5",
    "l": "1|",
    "t": "7+",
    "b": "8",
}

_PINYIN: Final[Mapping[str, str]] = {
    "微": "wei", "信": "xin", "加": "jia", "群": "qun", "妹": "mei", "约": "yue", "赌": "du", "博": "bo", "彩": "cai", "票": "piao",
    "贷": "dai", "款": "kuan", "钱": "qian", "银": "yin", "行": "hang", "卡": "ka", "红": "hong", "包": "bao", "送": "song",
    "注": "zhu", "册": "ce", "办": "ban", "证": "zheng", "发": "fa", "美": "mei", "女": "nv", "小": "xiao", "姐": "jie", "服": "fu",
    "务": "wu", "上": "shang", "门": "men", "茶": "cha", "品": "pin", "聊": "liao", "视": "shi", "频": "pin", "点": "dian", "击": "ji",
    "提": "ti", "现": "xian", "免": "mian", "费": "fei", "领": "ling", "分": "fen", "刷": "shua", "单": "dan", "投": "tou", "资": "zi",
    "股": "gu", "号": "hao", "客": "ke", "平": "ping", "台": "tai", "开": "kai", "陪": "pei", "按": "an", "摩": "mo", "酒": "jiu",
}  # fmt: skip

_PARTS: Final[Mapping[str, str]] = {
    "好": "女子", "妹": "女未", "姐": "女且", "加": "力口", "信": "亻言", "聊": "耳卯", "码": "石马", "股": "月殳",
    "彩": "采彡", "贷": "代贝", "款": "士示欠", "钱": "钅戋", "银": "钅艮", "行": "彳亍", "联": "耳关", "注": "氵主", "证": "讠正",
    "服": "月卩又", "茶": "艹人木", "品": "口口口", "情": "忄青", "裸": "衤果", "视": "礻见", "频": "步页", "现": "王见", "领": "令页",
    "积": "禾只", "换": "扌奂", "投": "扌殳", "按": "扌安", "酒": "氵酉", "店": "广占", "约": "纟勺", "群": "君羊", "陪": "阝咅",
}  # fmt: skip

_OPENINGS: Final = (
    "您好，打扰一下，", "尊敬的客户您好：", "亲，最近天气转凉，注意添衣。", "祝您和家人身体健康，万事如意！", "哥，好久没联系了，",
    "温馨提示：", "感谢您一直以来的支持，", "早上好，愿您今天有个好心情。", "你好呀，在忙吗？", "各位邻居朋友，", "节日快乐，阖家幸福！",
    "不好意思这么晚打扰你，", "朋友你好，冒昧发条短信，", "【温馨提醒】尊敬的用户，", "Hello, hope you are well. ", "Dear customer, ",
    "Hi there, sorry to bother you. ", "Good morning! ", "Just a quick note: ", "Happy holidays to you and your family. ",
)  # fmt: skip
_ENDINGS: Final = (
    "祝您生活愉快！", "如有打扰敬请谅解。", "感谢您的配合。", "期待您的回复", "祝好。", "谢谢！", "退订回T", "回TD退订", "，不需要请忽略",
    "祝工作顺利，身体健康。", "【客服中心】", " Thank you.", " Have a nice day!", " Reply STOP to opt out.", " Best regards.",
)  # fmt: skip


def _insert(signs: str | Sequence[str]) -> Disguise:
    def disguise(text: str, random: Random) -> str:
        often = random.choice((0.15, 0.4, 1.0))
        sign = random.choice(signs) if random.random() < 0.5 else None  # noqa: PLR2004 - one sign or many, evenly
        return "".join(
            character + (sign or random.choice(signs)) if random.random() < often else character for character in text
        )

    return disguise


def _break_lines(text: str, random: Random) -> str:
    width = random.randint(2, 9)
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


def _bracket(text: str, random: Random) -> str:
    opening, closing = random.choice(_BRACKETS)
    return "".join(
        f"{opening}{character}{closing}" if character.isalnum() and random.random() < 0.3 else character  # noqa: PLR2004
        for character in text
    )


def _widen(text: str, _random: Random) -> str:
    return text.translate(_FULL_WIDTH)


_FULL_WIDTH: Final = {point: point + 0xFEE0 for point in range(0x21, 0x7F)}


def _replace(table: Mapping[str, Sequence[str]], share: float) -> Disguise:
    def disguise(text: str, random: Random) -> str:
        return "".join(
            random.choice(table[character.lower()])
            if character.lower() in table and random.random() < share
            else character
            for character in text
        )

    return disguise


def _open_politely(text: str, random: Random) -> str:
    return random.choice(_OPENINGS) + text


def _end_politely(text: str, random: Random) -> str:
    return text + random.choice(_ENDINGS)


TRAINED: Final[Mapping[str, Disguise]] = {
    "symbols": _insert(_MARKS),
    "spaces": _insert((" ", "\u3000", "  ")),
    "zero_width": _insert(_ZERO_WIDTH),
    "emoji": _insert(_EMOJI),
    "line_breaks": _break_lines,
    "brackets": _bracket,
    "full_width": _widen,
    "look_alikes": _replace({sign: tuple(forms) for sign, forms in (_SWAPS | _LEET).items()}, 0.7),
    "polite_opening": _open_politely,
    "polite_ending": _end_politely,
}
"""Families of disguise that the model is taught."""

UNSEEN: Final[Mapping[str, Disguise]] = {
    "pinyin": _replace({sign: (spelling,) for sign, spelling in _PINYIN.items()}, 0.6),
    "split_characters": _replace({sign: (parts,) for sign, parts in _PARTS.items() if len(sign) == 1}, 0.8),
}
"""Families that only the evaluation uses."""

DISGUISES: Final[Mapping[str, Disguise]] = {**TRAINED, **UNSEEN}

_SPELLINGS: Final = ("symbols", "spaces", "zero_width", "emoji", "line_breaks", "brackets", "full_width", "look_alikes")
_SHORTEST_CROP: Final = 12


def seeded(seed: int, *names: object) -> Random:
    """Gives a source of random choices that depends on nothing but its arguments."""
    return Random(":".join(map(str, (seed, *names))))  # noqa: S311 - choices must be repeatable, not secret


def disguised_copy(text: str, random: Random) -> str:
    """Gives one copy as the model is taught: respelled, framed, cropped, or several of these.

    Args:
        text: the message.
        random: where choices come from.
    """
    copy = text
    if random.random() < 0.2 and len(copy) > 2 * _SHORTEST_CROP:  # noqa: PLR2004 - one copy in five is cut
        copy = _crop(copy, random)
    if random.random() < 0.75:  # noqa: PLR2004 - three copies in four are respelled
        copy = TRAINED[random.choice(_SPELLINGS)](copy, random)
    if random.random() < 0.25:  # noqa: PLR2004 - one in four gets an opening, as many an ending
        copy = _open_politely(copy, random)
    if random.random() < 0.25:  # noqa: PLR2004
        copy = _end_politely(copy, random)
    return copy


def joined_copy(text: str, benign: str, random: Random) -> str:
    """Gives the message behind or before a benign one, as one text."""
    glue = random.choice(("", "\n", "。", " ", "；"))
    return benign + glue + text if random.random() < 0.7 else text + glue + benign  # noqa: PLR2004 - mostly behind


def _crop(text: str, random: Random) -> str:
    """Keeps the larger part of a text, from its beginning or to its end."""
    kept = max(_SHORTEST_CROP, int(len(text) * random.uniform(0.6, 0.95)))
    return text[:kept] if random.random() < 0.5 else text[-kept:]  # noqa: PLR2004 - either end, evenly
