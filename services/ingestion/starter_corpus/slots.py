"""Invented names and numbers for the slots of the starter corpus, in the script of the message.

Nothing here reaches anybody: mobile numbers have prefixes that no carrier was given (160, 161, 163, 164, 168, 169, 154),
local numbers begin with 1, which no subscriber's does, names and brands are made up; banks, couriers and other
institutions are real, since messages that pretend to come from them are what the model must learn. Links stay masked: one
that looks real would be somebody's, and one that does not would teach the model the word "example".
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from shared.redaction.drawing import Draw

SLOT: Final = re.compile(r"\{([a-z0-9]+)\}")

DIGITS: Final = "0123456789"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
MOBILE_PREFIXES: Final = ("160", "161", "163", "164", "168", "169", "154")
REAL_HOTLINES: Final = (
    "95588", "95533", "95599", "95566", "95555", "95528", "95568", "95595", "95511", "95519",
    "95518", "95598", "10086", "10010", "10000", "12306", "12345", "12333", "95338", "11183",
)  # fmt: skip

Words = Mapping[str, tuple[str, ...]]

HANS: Final[Words] = {
    "surname": tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔向汤") + ("欧阳", "上官", "司马"),
    "given": (
        "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明", "超", "霞", "平", "刚",
        "秀英", "桂兰", "建国", "志强", "晓燕", "海燕", "丽华", "玉梅", "小红", "文斌", "俊杰", "嘉怡", "子涵", "梓轩", "雨桐",
        "浩然", "思远", "佳琪", "欣怡", "一诺", "宇航", "晨曦", "若曦", "诗涵", "博文", "天佑", "国栋", "春梅", "凤英", "永康",
    ),
    "city": (
        "北京", "上海", "广州", "深圳", "杭州", "南京", "苏州", "成都", "重庆", "武汉", "西安", "郑州", "长沙", "合肥", "济南", "青岛",
        "大连", "沈阳", "哈尔滨", "长春", "石家庄", "太原", "南昌", "福州", "厦门", "泉州", "宁波", "温州", "金华", "无锡", "常州",
        "南通", "徐州", "佛山", "东莞", "中山", "珠海", "惠州", "南宁", "柳州", "贵阳", "昆明", "海口", "兰州", "西宁", "银川",
        "乌鲁木齐", "呼和浩特", "洛阳", "襄阳", "绵阳", "遵义", "烟台", "潍坊", "临沂", "唐山", "保定", "邯郸", "赣州", "衡阳",
    ),
    "district": (
        "朝阳区", "海淀区", "浦东新区", "徐汇区", "天河区", "南山区", "西湖区", "余杭区", "鼓楼区", "玄武区", "武侯区", "锦江区",
        "渝北区", "江汉区", "雁塔区", "高新区", "经开区", "岳麓区", "历下区", "市南区", "和平区", "城关镇", "新城区", "江北区",
    ),
    "street": (
        "人民路", "中山路", "解放路", "建设路", "和平路", "新华街", "文化路", "胜利街", "长江路", "黄河路", "东风路", "光明街",
        "滨江大道", "学府路", "迎宾大道", "湖滨路", "金水路", "团结路", "友谊街", "青年路", "花园路", "府前街", "桂花巷", "柳林街",
    ),
    "hospital": (
        "市妇幼保健院", "市第一人民医院", "省人民医院", "市中心医院", "协和医院", "同济医院", "华西医院", "市中医院", "区妇产医院",
        "瑞金医院", "市第三医院", "县人民医院", "儿童医院", "口腔医院", "市第二医院", "仁济医院", "湘雅医院", "大学附属医院",
        "妇产科医院", "社区卫生服务中心", "北大三院", "人民医院", "省妇保", "中山医院",
    ),
    "bank": (
        "工商银行", "建设银行", "农业银行", "中国银行", "交通银行", "招商银行", "邮储银行", "中信银行", "光大银行", "民生银行",
        "浦发银行", "兴业银行", "平安银行", "广发银行", "华夏银行", "北京银行", "江苏银行", "宁波银行", "农商银行", "农信社",
        "微众银行", "网商银行", "浙商银行", "徽商银行",
    ),
    "courier": (
        "顺丰速运", "中通快递", "圆通速递", "申通快递", "韵达快递", "极兔速递", "京东快递", "中国邮政", "EMS", "德邦快递", "菜鸟驿站",
        "丰巢", "妈妈驿站", "兔喜生活", "百世快递", "天天快递",
    ),
    "company": (
        "恒信达", "聚汇通", "鑫源商贸", "安捷科技", "盛世佳合", "融信普惠", "云启网络", "博远咨询", "宏图实业", "优品汇", "天诚财务",
        "金桥物业", "智联云创", "众合人力", "万嘉置业", "启明教育", "康禾健康", "远达物流", "瑞丰投资", "蓝海传媒",
    ),
    "shop": (
        "喜宝贝母婴", "爱婴小屋", "优衣坊", "美宜家超市", "大福珠宝", "俏佳人美容", "康乐足道", "名匠造型", "好又多量贩", "乐购生活馆",
        "花漾美甲", "蓝调咖啡", "老灶火锅", "渔家傲海鲜", "宜居家具", "四季鲜果", "星光影城", "动感健身", "悦己瑜伽", "阳光眼镜",
    ),
    "app": (
        "支付宝", "微信", "淘宝", "京东", "美团", "抖音", "拼多多", "滴滴出行", "饿了么", "携程旅行", "哔哩哔哩", "小红书", "闲鱼",
        "高德地图", "得物", "快手", "网易云音乐", "知乎", "钉钉", "掌上生活", "云闪付", "货拉拉", "BOSS直聘", "Soul",
    ),
    "school": (
        "实验小学", "第一中学", "育才小学", "机关幼儿园", "外国语学校", "师大附中", "向阳小学", "职教中心", "新城实验学校", "蓝天幼儿园",
        "第三小学", "理工大学", "财经学院", "卫校", "希望小学", "实验中学",
    ),
    "hotel": (
        "锦江之星", "如家酒店", "汉庭酒店", "全季酒店", "维也纳酒店", "7天酒店", "亚朵酒店", "君悦酒店", "假日酒店", "皇冠大酒店",
        "国际饭店", "桔子酒店", "金陵饭店", "云水湾度假村", "希尔顿酒店", "莫泰168",
    ),
    "weekday": ("周一", "周二", "周三", "周四", "周五", "周六", "周日", "星期一", "星期三", "星期五", "星期六", "礼拜天"),
}  # fmt: skip

HANT: Final[Words] = {
    "surname": tuple("陳林黃張李王吳劉蔡楊許鄭謝洪郭邱曾廖賴徐周葉蘇莊呂江何蕭羅高潘簡朱鍾游彭詹胡施沈余盧梁趙顏柯翁魏孫戴") + ("歐陽",),
    "given": (
        "志明", "淑芬", "家豪", "雅婷", "怡君", "俊傑", "美玲", "建宏", "詩涵", "宗翰", "佩珊", "冠宇", "麗華", "文雄", "惠美",
        "承恩", "品妤", "宥廷", "嘉玲", "偉倫", "詠琪", "子軒", "曉彤", "國榮", "秀英", "明哲", "靜宜", "柏翰", "欣怡", "阿珍",
    ),
    "city": (
        "台北", "新北", "桃園", "台中", "台南", "高雄", "新竹", "基隆", "嘉義", "彰化", "屏東", "宜蘭", "花蓮", "香港", "九龍", "澳門",
        "新界", "苗栗", "南投", "雲林",
    ),
    "district": (
        "大安區", "信義區", "中山區", "板橋區", "三重區", "中壢區", "西屯區", "北屯區", "左營區", "鳳山區", "旺角", "沙田", "觀塘",
        "銅鑼灣", "荃灣", "元朗", "東區", "士林區",
    ),
    "street": (
        "中山北路", "忠孝東路", "民生路", "復興南路", "和平東路", "文心路", "中正路", "建國路", "彌敦道", "軒尼詩道", "英皇道",
        "成功路", "光復路", "自由路", "青年路", "皇后大道",
    ),
    "hospital": (
        "台大醫院", "長庚醫院", "馬偕醫院", "榮民總醫院", "國泰醫院", "新光醫院", "亞東醫院", "慈濟醫院", "市立聯合醫院", "瑪麗醫院",
        "伊利沙伯醫院", "威爾斯親王醫院", "成大醫院", "婦幼醫院", "童綜合醫院", "衛生所",
    ),
    "bank": (
        "台灣銀行", "國泰世華", "中國信託", "玉山銀行", "台北富邦", "第一銀行", "華南銀行", "合作金庫", "永豐銀行", "兆豐銀行", "郵局",
        "匯豐銀行", "恒生銀行", "中銀香港", "渣打銀行", "台新銀行",
    ),
    "courier": (
        "黑貓宅急便", "宅配通", "新竹物流", "中華郵政", "順豐速運", "嘉里快遞", "香港郵政", "7-ELEVEN", "全家", "蝦皮店到店", "萊爾富",
        "便利袋",
    ),
    "company": (
        "鴻運資產", "大展國際", "永盛開發", "誠信理財", "金旺企業", "立德實業", "康泰生技", "宏達顧問", "匯豐昌", "旭日傳媒", "祥瑞貿易",
        "安家房屋",
    ),
    "shop": (
        "麗嬰坊", "小天使婦嬰", "阿嬤的店", "美麗佳人", "好市集", "幸福烘焙", "鮮果園", "悅足養生館", "時尚髮廊", "金玉珠寶", "樂活健身",
        "老張牛肉麵",
    ),
    "app": (
        "LINE", "蝦皮購物", "街口支付", "foodpanda", "Uber Eats", "全支付", "momo購物", "PChome", "悠遊付", "八達通", "PayMe",
        "Netflix", "露天", "台灣大哥大",
    ),
    "school": (
        "中正國小", "建國中學", "信義國中", "大安幼兒園", "新生國小", "聖保羅書院", "東海大學", "光復國小", "明德高中", "何東中學",
    ),
    "hotel": (
        "福華飯店", "圓山飯店", "晶華酒店", "捷絲旅", "老爺酒店", "薇閣", "半島酒店", "麗晶酒店", "海景飯店", "承億文旅",
    ),
    "weekday": ("週一", "週二", "週三", "週四", "週五", "週六", "週日", "星期二", "星期四", "禮拜六"),
}  # fmt: skip

ENGLISH: Final[Words] = {
    "surname": (
        "Smith", "Jones", "Taylor", "Brown", "Wilson", "Evans", "Patel", "Khan", "Lim", "Tan", "Wong", "Lee", "Garcia", "Miller",
        "Davis", "Clark", "Lewis", "Walker", "Hall", "Young", "Okafor", "Singh", "Nguyen", "Murphy",
    ),
    "given": (
        "James", "Mary", "John", "Sarah", "Emma", "Oliver", "Priya", "Ahmed", "Wei", "Grace", "Daniel", "Lucy", "Tom", "Hannah",
        "Kofi", "Maria", "Ben", "Chloe", "Ravi", "Aisha", "Jack", "Mei", "Nina", "Sam",
    ),
    "city": (
        "London", "Manchester", "Leeds", "Bristol", "Dublin", "New York", "Chicago", "Austin", "Sydney", "Perth", "Singapore",
        "Auckland", "Toronto", "Glasgow", "Birmingham", "Seattle",
    ),
    "district": ("Camden", "Hackney", "Queens", "Brooklyn", "Jurong", "Tampines", "Parramatta", "Didsbury", "Soho", "Clifton"),
    "street": (
        "High Street", "Station Road", "Church Lane", "Park Avenue", "Mill Road", "Orchard Road", "Elm Street", "King Street",
        "Oak Drive", "Victoria Road",
    ),
    "hospital": (
        "St Mary's Hospital", "City General", "Riverside Clinic", "Royal Infirmary", "KK Hospital", "Mercy Medical Center",
        "Parkside Maternity", "County Hospital", "Lakeview Health", "Queen's Hospital",
    ),
    "bank": (
        "HSBC", "Barclays", "Lloyds", "NatWest", "Santander", "Chase", "Wells Fargo", "Citi", "DBS", "OCBC", "ANZ", "Westpac",
        "Monzo", "Halifax",
    ),
    "courier": ("Royal Mail", "DHL", "UPS", "FedEx", "Evri", "DPD", "USPS", "SingPost", "Ninja Van", "Australia Post", "Amazon"),
    "company": (
        "Brightway Ltd", "Northstar Finance", "Apex Claims", "BlueOak Energy", "Quickline Media", "Summit Staffing",
        "Harbor Group", "Greenfield Homes", "Vantage Loans", "Orbit Telecom",
    ),
    "shop": (
        "Little Acorns", "Bloom & Co", "Corner Bakery", "FitZone", "Pizza Palace", "Glow Beauty", "The Book Nook", "Fresh Mart",
        "Urban Threads", "Happy Paws",
    ),
    "app": (
        "WhatsApp", "Google", "Amazon", "Uber", "Netflix", "PayPal", "Apple", "Instagram", "Facebook", "Grab", "Revolut",
        "Microsoft", "Telegram", "Deliveroo",
    ),
    "school": (
        "Oakfield Primary", "St John's School", "Hillcrest High", "Little Stars Nursery", "City College", "Greenwood Academy",
        "Maple Elementary", "Westside Grammar",
    ),
    "hotel": ("Premier Inn", "Holiday Inn", "Hilton", "Travelodge", "Ibis", "Marriott", "Seaview Hotel", "The Grand"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Mon", "Fri", "Sat"),
}  # fmt: skip

WORDS: Final[Mapping[str, Words]] = {"zh-Hans": HANS, "zh-Hant": HANT, "en": ENGLISH}
PLATE_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"


def fill_slots(message: str, seed: str, language: str) -> str:
    """Gives the message with every `{slot}` filled; the seed alone decides with what.

    Raises:
        KeyError: if a slot is not one of those that README.md lists.
    """
    draw = Draw(seed)
    return SLOT.sub(lambda found: _value(found[1], draw, language), message)


def _value(slot: str, draw: Draw, language: str) -> str:
    words = WORDS[language]
    if slot in words:
        return draw.one(words[slot])
    return MAKERS[slot](draw, language)


def _name(draw: Draw, language: str) -> str:
    words = WORDS[language]
    surname, given = draw.one(words["surname"]), draw.one(words["given"])
    if language == "en":
        return given if draw.below(3) else f"{given} {surname}"
    return surname + given


def _mobile(draw: Draw, language: str) -> str:
    if language == "en":
        return draw.one(("07700900", "07700 900", "+44 7700 900")) + draw.text(DIGITS, 3)
    if language == "zh-Hant":
        return "0900-000-" + draw.text(DIGITS, 3) if draw.below(2) else "0900000" + draw.text(DIGITS, 3)
    number = draw.one(MOBILE_PREFIXES) + draw.text(DIGITS, 8)
    return f"{number[:3]}-{number[3:7]}-{number[7:]}" if draw.below(8) == 0 else number


def _landline(draw: Draw, language: str) -> str:
    if language == "en":
        return "020 7946 0" + draw.text(DIGITS, 3)
    if language == "zh-Hant":
        return "02-1" + draw.text(DIGITS, 3) + "-" + draw.text(DIGITS, 4)
    area = draw.one(("010", "021", "020", "0571", "0755", "025", "028", "0311", "0531", "0731", "0351", "0451"))
    return area + draw.one(("-", "-", "")) + "1" + draw.text(DIGITS, 7 if len(area) == 3 else 6)  # noqa: PLR2004 - numbers have 8 digits where area codes have 3


def _hotline(draw: Draw, language: str) -> str:
    if language == "en":
        return "0800 000 " + draw.text(DIGITS, 4)
    if language == "zh-Hant":
        return "0800-000-" + draw.text(DIGITS, 3)
    return draw.one(REAL_HOTLINES) if draw.below(2) else "4003" + draw.text(DIGITS, 6)


def _amount(draw: Draw, _language: str) -> str:
    whole = draw.one((10, 100, 1000, 10_000, 100_000))
    number = 1 + draw.below(whole) + whole // 10
    style = draw.below(4)
    if style == 0:
        return f"{number}.{draw.text(DIGITS, 2)}"
    if style == 1:
        return f"{number:,}"
    return str(number)


def _code(draw: Draw, _language: str) -> str:
    return draw.text(DIGITS, draw.one((4, 6, 6, 6, 6, 8)))


def _date(draw: Draw, language: str) -> str:
    month, day = 1 + draw.below(12), 1 + draw.below(28)
    if language == "en":
        name = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[month - 1]
        return draw.one((f"{day} {name}", f"{name} {day}", f"{day}/{month}", f"{day:02}/{month:02}"))
    return draw.one((f"{month}月{day}日", f"{month}月{day}日", f"{month:02}月{day:02}日", f"{month}.{day}", f"{month}/{day}"))


def _time(draw: Draw, language: str) -> str:
    hour, minute = 7 + draw.below(15), 5 * draw.below(12)
    if language == "en":
        return draw.one((f"{hour}:{minute:02}", f"{(hour - 1) % 12 + 1}{'am' if hour < 12 else 'pm'}"))  # noqa: PLR2004 - noon
    return draw.one((f"{hour}:{minute:02}", f"{hour:02}:{minute:02}", f"{hour}点", f"{hour}点{minute:02}分"))


def _year(draw: Draw, _language: str) -> str:
    return str(2013 + draw.below(14))


def _wechat(draw: Draw, _language: str) -> str:
    head = draw.text(LETTERS, 2 + draw.below(4))
    return head + draw.one(("", "_", "")) + draw.text(DIGITS, 4 + draw.below(4))


def _qq(draw: Draw, _language: str) -> str:
    return "5" + draw.text(DIGITS, 8 + draw.below(3))


def _link(draw: Draw, _language: str) -> str:
    return f"⟦link:{10 + draw.below(22)}⟧"


def _tracking(draw: Draw, _language: str) -> str:
    return draw.one(("SF", "YT", "JT", "JD", "", "7", "43")) + draw.text(DIGITS, 12 + draw.below(2))


def _pickup(draw: Draw, _language: str) -> str:
    if draw.below(2):
        return f"{1 + draw.below(20)}-{1 + draw.below(6)}-{draw.text(DIGITS, 4)}"
    return draw.text(DIGITS, draw.one((4, 6, 8)))


def _plate(draw: Draw, language: str) -> str:
    if language == "zh-Hans":
        return draw.one(PLATE_PROVINCES) + draw.one("ABCDEFGH") + draw.text(DIGITS + "ABCDEFGHJK", 4) + draw.one(DIGITS)
    return draw.text("ABCDEFGHJK", 3) + draw.one(("-", " ")) + draw.text(DIGITS, 4)


def _flight(draw: Draw, _language: str) -> str:
    return draw.one(("CA", "MU", "CZ", "HU", "3U", "MF", "ZH", "BR", "CI", "BA", "SQ")) + draw.text("123456789", 4)


def _train(draw: Draw, _language: str) -> str:
    return draw.one("GGGDDCKZT") + draw.text("123456789", 1 + draw.below(4))


def _order(draw: Draw, _language: str) -> str:
    return draw.text("123456789", 1) + draw.text(DIGITS, 7 + draw.below(11))


MAKERS: Final[Mapping[str, Callable[[Draw, str], str]]] = {
    "name": _name,
    "phone": _mobile,
    "landline": _landline,
    "hotline": _hotline,
    "code": _code,
    "amount": _amount,
    "count": lambda draw, _language: str(2 + draw.below(59)),
    "percent": lambda draw, _language: str(draw.one((5, 8, 10, 15, 20, 30, 50, 70, 80, 90))),
    "card4": lambda draw, _language: draw.text(DIGITS, 4),
    "id4": lambda draw, _language: draw.text(DIGITS, 4),
    "date": _date,
    "time": _time,
    "year": _year,
    "wechat": _wechat,
    "qq": _qq,
    "link": _link,
    "tracking": _tracking,
    "pickup": _pickup,
    "plate": _plate,
    "flight": _flight,
    "train": _train,
    "order": _order,
}
"""How to make what no list of words holds."""

HARASSING_NUMBER_SHARE: Final = 4


def invent_sender(category: str, topic: str | None, seed: str, language: str) -> str:
    """Gives a sender that is plausible for the category: people write from numbers, services from short codes."""
    draw = Draw(f"sender of {seed}")
    if category == "personal":
        return _plain_mobile(draw, language)
    if category in {"transactional", "promotion"} and topic not in {"ride", "meal", "courier"}:
        return _service(draw, language)
    if category in {"transactional", "promotion"} or category == "fraud":
        return _service(draw, language) if draw.below(2) else _plain_mobile(draw, language)
    return _service(draw, language) if draw.below(HARASSING_NUMBER_SHARE) == 0 else _plain_mobile(draw, language)


def _plain_mobile(draw: Draw, language: str) -> str:
    number = re.sub("[^0-9+]", "", _mobile(draw, language))
    return "+886" + number[1:] if language == "zh-Hant" else number


def _service(draw: Draw, language: str) -> str:
    if language == "en":
        return draw.one(ENGLISH["bank"] + ENGLISH["courier"] + ENGLISH["app"]) if draw.below(2) else draw.text("6789", 5)
    return "106" + draw.text(DIGITS, 8 + draw.below(6)) if draw.below(3) else draw.one(REAL_HOTLINES)
