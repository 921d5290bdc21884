"""Small snapshots of invented messages, in ingestion's form."""

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

OPENINGS = ("", "您好，", "通知：", "老板", "Hi ", "朋友")
PHRASES = {
    "personal": [
        "晚上一起吃饭吗",
        "明天几点去接孩子",
        "我到家了",
        "周末去爬山吧",
        "妈让你回个电话",
        "see-you-at-the-station",
    ],
    "transactional": [
        "您的验证码是⟦code:6⟧",
        "快递到驿站凭码取件",
        "您的卡支出一笔",
        "产检预约请空腹",
        "挂号成功",
        "水费已出",
    ],
    "promotion": [
        "新品上市全场八折",
        "会员日满减活动",
        "春装打折退订回复",
        "健身年卡优惠",
        "楼盘样板间",
        "周年庆送好礼",
    ],
    "porn": ["寂寞吗可上门加微", "小姐姐陪您聊天", "同城约会安全隐私", "会所佳丽可外约", "深夜按摩特殊", "看片加群"],
    "fraud": [
        "账户异常请点击验证",
        "中奖请先缴税",
        "公安局您涉嫌洗钱",
        "退款提供卡密码",
        "刷单返佣日结",
        "社保停用点击",
    ],
    "gambling": [
        "首存送彩金百家乐",
        "世界杯盘口全开",
        "六合彩特码内部",
        "棋牌注册送筹码",
        "提款秒到滚球",
        "老虎机爆奖",
    ],
    "illegal": ["代开发票点数低", "办证刻章", "高利贷不看征信", "出售个人数据", "手机卡银行卡收购", "枪手代考包过"],
}
TOPICS = {"transactional": ("code", "courier", "bank", "antenatal", "hospital", None)}
SCHEMA = pa.schema(
    [
        ("report_id", pa.string()),
        ("text", pa.string()),
        ("category", pa.string()),
        ("topic", pa.string()),
        ("campaign", pa.string()),
        ("source", pa.string()),
        ("source_kind", pa.string()),
        ("reporter_weight", pa.float64()),
        ("language", pa.string()),
        ("received_at", pa.timestamp("us", tz="UTC")),
        ("held_out", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class FrozenSnapshot:
    """A snapshot as ingestion keeps it."""

    id: str
    parquet: bytes
    rows: Sequence[dict[str, Any]] = field(repr=False, default=())

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.parquet).hexdigest()}"


def make_rows(each: int = 40, categories: Iterable[str] = tuple(PHRASES), seed: int = 1) -> list[dict[str, Any]]:
    random = Random(seed)
    rows = []
    for category in categories:
        for number in range(each):
            place = random.randrange(len(PHRASES[category]))
            text = random.choice(OPENINGS) + PHRASES[category][place] + random.choice(PHRASES[category])[:6]
            topics = TOPICS.get(category, (None,) * 6)
            rows.append(make_row(f"{category}-{number:04}", text, category, topics[place], held_out=number % 5 == 0))
    return rows


def make_row(
    report_id: str, text: str, category: str, topic: str | None = None, *, held_out: bool = False, **changed: Any
) -> dict[str, Any]:
    return {
        "report_id": report_id,
        "text": text,
        "category": category,
        "topic": topic,
        "campaign": f"campaign of {report_id}",
        "source": "test",
        "source_kind": "corpus",
        "reporter_weight": 1.0,
        "language": "zh-Hans",
        "received_at": datetime(2025, 1, 1, tzinfo=UTC),
        "held_out": held_out,
    } | changed


def freeze(rows: Sequence[dict[str, Any]] | None = None, snapshot_id: str = "snapshot-1") -> FrozenSnapshot:
    rows = sorted(make_rows() if rows is None else rows, key=lambda row: str(row["report_id"]))
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), target)
    return FrozenSnapshot(snapshot_id, target.getvalue(), rows)
