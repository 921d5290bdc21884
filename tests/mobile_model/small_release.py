"""A small release for tests of the phone: trained on a few invented messages, with made-up thresholds."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mobile_model import graph
from mobile_model.classifier import HashedNgramClassifier
from shared.categories import HARASSMENT, Category, Strictness
from shared.release_card import ModelFile, ReleaseCard, Threshold, release_version

MADE_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
RUN_ID: Final = "c0f0" * 8

MESSAGES: Final = (
    (Category.PERSONAL, "妈，我到家了，路上没堵车，你早点睡"),
    (Category.PERSONAL, "晚上一起吃饭吗？老地方，六点半"),
    (Category.PERSONAL, "孩子今天会翻身了，照片发你微信，快看"),
    (Category.PERSONAL, "明天产检你陪我去吗，八点就要排队"),
    (Category.PERSONAL, "Can you pick up milk and some bread on the way home?"),
    (Category.TRANSACTIONAL, "【河湾银行】您尾号4410的账户3月2日支出1,280.00元，余额9,316.45元。"),
    (Category.TRANSACTIONAL, "您的验证码是604817，5分钟内有效，请勿告诉任何人。"),
    (Category.TRANSACTIONAL, "【安和妇幼】您预约的3月12日上午糖耐量检查请空腹，8点前到门诊二楼抽血。"),
    (Category.TRANSACTIONAL, "您的包裹已到南门驿站，凭取件码7-2-4031领取，请于今日20点前取走。"),
    (Category.TRANSACTIONAL, "各位邻居好，近日气温回升，物业提醒大家注意防火防盗，出门关好水电，祝平安喜乐。"),
    (Category.TRANSACTIONAL, "123456 is your verification code. Do not share it with anyone."),
    (Category.PROMOTION, "【小象童装】春季新品到店，连体衣第二件半价，孕妈凭卡九折，退订回T"),
    (Category.PROMOTION, "周年庆全场满300减50，更有好礼相送，地址人民路二楼，拒收回R"),
    (Category.PROMOTION, "新楼盘盛大开盘，首付18万起，欢迎品鉴样板间，回T退订"),
    (Category.PROMOTION, "Spring sale: 20% off all baby clothes this weekend. Text STOP to opt out."),
    (Category.PORN, "老婆怀孕不方便？本地小妹可上门，安全隐私，加薇lan7702看照片"),
    (Category.PORN, "哥，老婆坐月子寂寞了吧，同城美女可上门，加V看相册"),
    (Category.PORN, "新到大学生兼职，酒店上门服务，先看人后付款，电话一三八"),
    (Category.PORN, "深夜寂寞少妇在线陪聊，加微信发福利视频"),
    (Category.FRAUD, "您的生育津贴4,600元待领取，今日失效，请点击 shengyu-jt.top 填写银行卡号与验证码"),
    (Category.FRAUD, "【法院】您有一张传票未领取，请立即拨打电话联系王警官，否则冻结账户"),
    (Category.FRAUD, "妈我手机坏了，这是我新号，急用钱先转5000到这个卡"),
    (Category.FRAUD, "Your parcel is held for an unpaid fee of $1.99. Pay now: track-redeliver.top/pay"),
    (Category.GAMBLING, "世界杯盘口全开，首存送88%，提款秒到，进 bet77vip.cc 领彩金"),
    (Category.GAMBLING, "真人百家乐在线，注册送58彩金，大额无忧"),
    (Category.GAMBLING, "Casino bonus 200% on your first deposit, play now and win big"),
    (Category.ILLEGAL, "代开各行业增值税发票，点数低可先验后付，详询张会计"),
    (Category.ILLEGAL, "办证刻章，学历文凭驾照，全国快递，货到付款"),
    (Category.ILLEGAL, "高价收购银行卡手机卡对公账户，当面结算"),
)


@dataclass(frozen=True)
class SmallRelease:
    classifier: HashedNgramClassifier
    model: bytes
    card: ReleaseCard


def train() -> HashedNgramClassifier:
    classifier = HashedNgramClassifier(l2=0.1, max_iterations=20)
    return classifier.fit([text for _, text in MESSAGES], [category for category, _ in MESSAGES])


def make_release() -> SmallRelease:
    classifier = train()
    model = graph.export(classifier)
    return SmallRelease(classifier, model, make_card(model))


def make_card(model: bytes) -> ReleaseCard:
    """Each threshold differs from the others, so that mixing two up is seen."""
    steps = {Strictness.GENTLE: 0.2, Strictness.NORMAL: 0.1, Strictness.STRICT: 0.0}
    thresholds = {
        strictness: {
            category: Threshold(warn=0.5 + step + number / 100, block=0.6 + step + number / 50)
            for number, category in enumerate(HARASSMENT)
        }
        for strictness, step in steps.items()
    }
    nothing = f"sha256:{hashlib.sha256(b'').hexdigest()}"
    return ReleaseCard(
        version=release_version(MADE_AT, RUN_ID),
        created_at=MADE_AT,
        run_id=RUN_ID,
        categories=tuple(Category),
        thresholds=thresholds,
        bounds={},
        graph={},
        model=ModelFile(sha256=f"sha256:{hashlib.sha256(model).hexdigest()}", length_bytes=len(model)),
        data_digest=nothing,
        recipe_digest=nothing,
        evaluation={},
    )
