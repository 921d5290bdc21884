"""Advice at the moment of danger, in Chinese and English, in words for a frightened family.

The first line of each list is the most important one: a phone with room for one line shows that.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.categories import Action, Category


class Language(StrEnum):
    """A language that the phone speaks."""

    CHINESE = "zh"
    ENGLISH = "en"


def advice_for(category: Category, language: Language | str = Language.CHINESE) -> tuple[str, ...]:
    """Gives what to do about a message of a category, the most important first; nothing for a personal message.

    Raises:
        ValueError: for a language that the phone does not speak.
    """
    return _ADVICE[Language(language)].get(category, ())


def where_to_report(category: Category, language: Language | str = Language.CHINESE) -> tuple[str, ...]:
    """Gives whom to tell about a message of a category, the nearest first; nothing for a legitimate message.

    Raises:
        ValueError: for a language that the phone does not speak.
    """
    return _REPORT[Language(language)].get(category, ())


def category_name(category: Category, language: Language | str = Language.CHINESE) -> str:
    """Gives what a category is called on the screen.

    Raises:
        ValueError: for a language that the phone does not speak.
    """
    return _CATEGORY_NAMES[Language(language)][category]


def action_name(action: Action, language: Language | str = Language.CHINESE) -> str:
    """Gives what was done, in a word.

    Raises:
        ValueError: for a language that the phone does not speak.
    """
    return _ACTION_NAMES[Language(language)][action]


_CATEGORY_NAMES: Final[Mapping[Language, Mapping[Category, str]]] = {
    Language.CHINESE: {
        Category.PERSONAL: "个人短信",
        Category.TRANSACTIONAL: "通知",
        Category.PROMOTION: "推广",
        Category.PORN: "色情骚扰",
        Category.FRAUD: "诈骗",
        Category.GAMBLING: "赌博",
        Category.ILLEGAL: "违法交易",
    },
    Language.ENGLISH: {
        Category.PERSONAL: "personal",
        Category.TRANSACTIONAL: "notice",
        Category.PROMOTION: "promotion",
        Category.PORN: "sexual solicitation",
        Category.FRAUD: "fraud",
        Category.GAMBLING: "gambling",
        Category.ILLEGAL: "illegal trade",
    },
}

_ACTION_NAMES: Final[Mapping[Language, Mapping[Action, str]]] = {
    Language.CHINESE: {
        Action.ALLOW: "放行",
        Action.PROMOTION: "归入推广",
        Action.WARN: "提醒",
        Action.BLOCK: "拦截",
    },
    Language.ENGLISH: {
        Action.ALLOW: "allowed",
        Action.PROMOTION: "put with promotions",
        Action.WARN: "warned of",
        Action.BLOCK: "blocked",
    },
}

_ADVICE: Final[Mapping[Language, Mapping[Category, tuple[str, ...]]]] = {
    Language.CHINESE: {
        Category.TRANSACTIONAL: ("验证码只给自己用：谁来要都不给，银行、客服、警察也不例外。",),
        Category.PROMOTION: ("认识这家店，可以按短信里的办法退订；不认识就别回，回了等于告诉对方号码有人用。",),
        Category.PORN: (
            "不回复、不回拨、不加好友：回一个字，对方就知道这个号码有人看。",
            "绝不裸聊。对方会录屏、偷走通讯录，接着就是勒索；先要路费、押金、保证金的也都是骗钱。",
            "已经被勒索：别给钱，给一次就有下一次。留好聊天和转账记录，马上打110，警察见得多，不会笑话你。",
            "对方说得出医院、孕期或姓名，只说明资料被人泄露了，不是你和家人做错了什么。跟家人说一声，别一个人扛。",
        ),
        Category.FRAUD: (
            "不回复、不回拨、不点链接、不装软件，先停一停：真有急事，不差这十分钟。",
            "验证码、密码、银行卡号一个都不给；警察、法院、银行不会叫人转账到“安全账户”。",
            "要核实，就打卡背面或官网上的电话，别打短信里的；家人“出事要钱”，先打他本人电话。",
            "钱已经转出去：立刻打110，再打银行客服要求止付，越快越有希望追回。这不丢人，骗子就是干这个的。",
        ),
        Category.GAMBLING: (
            "不点链接、不注册、不充值：先让你赢，后让你输光，想提现时还要再交钱。",
            "别把银行卡、手机卡、收款码借给人“走账”，那是犯罪，要坐牢的。",
            "已经充了钱，到此为止，别想着翻本；截图留证，打96110或110。家里有人陷进去了，先陪着他，别骂他。",
        ),
        Category.ILLEGAL: (
            "不回复、不回拨；办假证、买发票、卖银行卡，出了事担责任的是你自己。",
            "身份证、银行卡、通讯录不发给任何陌生人，他们会拿去借钱、洗钱。",
            "被逼债、被威胁：别怕，留下短信和通话记录，打110。法律不保护高利贷，也不许任何人恐吓你的家人。",
        ),
    },
    Language.ENGLISH: {
        Category.TRANSACTIONAL: (
            "A code is for you alone: give it to nobody, not to a bank, a help desk or the police.",
        ),
        Category.PROMOTION: (
            "If you know the shop, unsubscribe as the message says; if not, do not reply: it proves that you read it.",
        ),
        Category.PORN: (
            "Do not reply, call back or add them: one word tells them that somebody reads this number.",
            "Never undress on a video call. They record it, copy your contacts, and blackmail follows; a fare or a "
            "deposit in advance is a trick too.",
            "If they blackmail you already: do not pay, it never ends with one payment. Keep the chat and the receipts "
            "and call the police (110 in China). They have seen it often and will not laugh.",
            "If they name a hospital, a due date or a person, somebody leaked your data. Neither you nor your family "
            "did anything wrong. Tell someone at home; do not carry this alone.",
        ),
        Category.FRAUD: (
            "Do not reply, call back, open the link or install anything. Stop for ten minutes: what is real can wait.",
            "Never pass on a code, a password or a card number. No police, court or bank has a 'safe account' for you.",
            "To check, call the number on your card or on the official site, never the one in the message. If a "
            "relative 'needs money', call that relative first.",
            "If money is gone: call the police at once (110 in China), then your bank, and ask to stop the payment. "
            "Every minute helps. It is no shame; they do this for a living.",
        ),
        Category.GAMBLING: (
            "Do not open, register or pay in: first you win, then you lose all, and to withdraw you must pay again.",
            "Do not lend a bank card, a SIM card or a payment code to anyone 'to move money': it is a crime.",
            "If you paid in already, stop here and do not chase it. Keep screenshots and call 96110 or 110 (China). If "
            "it is someone you love, stay with them; blame does not help.",
        ),
        Category.ILLEGAL: (
            "Do not reply or call back. For a forged paper, a bought invoice or a sold card, it is you who answers.",
            "Send your identity card, bank card or contacts to no stranger: they borrow and launder money with them.",
            "If someone presses or threatens you: keep messages and call records and call the police (110 in China). "
            "The law protects no loan shark, and nobody may threaten your family.",
        ),
    },
}

_REPORT: Final[Mapping[Language, Mapping[Category, tuple[str, ...]]]] = {
    Language.CHINESE: {
        Category.PORN: (
            "把短信和对方号码转发到 12321（垃圾信息举报中心，也可打 010-12321）。",
            "告诉运营商：移动转发到 10086999，联通 10010，电信 10000。",
            "被骗钱、被勒索：110。",
        ),
        Category.FRAUD: (
            "拿不准、差点上当：96110（全国反诈专线）。它打来的电话一定要接。",
            "钱已转出或正受威胁：110。",
            "短信转发到 12321；移动 10086999，联通 10010，电信 10000。",
        ),
        Category.GAMBLING: ("96110（反诈专线）或 110。", "短信转发到 12321；移动 10086999，联通 10010，电信 10000。"),
        Category.ILLEGAL: ("110。", "短信转发到 12321；移动 10086999，联通 10010，电信 10000。"),
        Category.PROMOTION: ("退订不管用，就把短信转发到 12321。",),
    },
    Language.ENGLISH: {
        Category.PORN: (
            "In China, forward the message and its number to 12321 (spam messages; by phone 010-12321).",
            "Tell the operator: China Mobile 10086999, China Unicom 10010, China Telecom 10000.",
            "If they took money or threaten you: 110.",
        ),
        Category.FRAUD: (
            "In China, if you are in doubt: 96110 (anti-fraud line). If it calls you, answer.",
            "If money is gone or you are threatened: 110.",
            "Forward the message to 12321; China Mobile 10086999, China Unicom 10010, China Telecom 10000.",
        ),
        Category.GAMBLING: (
            "In China: 96110 (anti-fraud line) or 110.",
            "Forward the message to 12321; China Mobile 10086999, China Unicom 10010, China Telecom 10000.",
        ),
        Category.ILLEGAL: (
            "In China: 110.",
            "Forward the message to 12321; China Mobile 10086999, China Unicom 10010, China Telecom 10000.",
        ),
        Category.PROMOTION: ("In China, if unsubscribing does not help, forward the message to 12321.",),
    },
}
