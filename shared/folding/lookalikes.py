"""Look-alikes: signs that are read as a Latin letter, a digit or a Chinese character without being one.

Only `shared.folding.build` reads this file. Signs with a compatibility form in Unicode (full-width, mathematical,
circled, ...) are not listed: the build finds them by themselves, and Latin letters with strokes or hooks by their name.
Capital and small letters are listed apart, since some look like different Latin letters (Greek Η is h, η is n).
"""

from typing import Final

LETTERS: Final = {
    "a": "АаΑαɑꭺᎪꓮ∀",
    "b": "ВвΒβЬьᏴꓐƄ",
    "c": "СсϹϲᏟꓚↄ",
    "d": "ԀԁᎠꓓ",
    "e": "ЕеΕεЄєҽᎬꓰ℮",
    "f": "Ϝꓝ",
    "g": "ԌԍɡᏀꓖց",
    "h": "НнΗҺһᎻꓧհ",
    "i": "ІіΙιӀᎥꓲı",
    "j": "ЈјϳᎫꓙ",
    "k": "КкΚκᏦꓗ",
    "l": "ԼᏞꓡ",
    "m": "МмΜᎷꓟ",
    "n": "Νηոпꓠ",
    "o": "ОоΟοՕօꓳσ",
    "p": "РрΡρᏢꓑ",
    "q": "Ԛԛզ",
    "r": "ᏒꓣгГ",
    "s": "ЅѕՏᏚꓢ",
    "t": "ТтΤτᎢꓔ",
    "u": "υսՍμꓴ",
    "v": "ѴѵνᏙꓦ∨",
    "w": "ԜԝѠѡωᎳꓪ",
    "x": "ХхΧχꓫ",
    "y": "УуΥγҮүᎩꓬ",
    "z": "ΖᏃꓜ",
    "3": "ЗзӠӡƷʒ",
}

RADICALS: Final = (
    "⺌小 ⺍小 ⺎尢 ⺒巳 ⺗心 ⺘手 ⺜日 ⺝月 ⺞歹 ⺠民 ⺢水 ⺣火 ⺦丬 ⺧牛 ⺨犬 ⺩王 ⺪疋 ⺫目 ⺬示 ⺭示 "
    "⺮竹 ⺯糸 ⺰纟 ⺱罒 ⺶羊 ⺷羊 ⺸羊 ⺹老 ⺼月 ⺽臼 ⻁虎 ⻂衣 ⻃西 ⻄西 ⻅见 ⻆角 ⻇角 ⻈讠 ⻉贝 ⻊足 "
    "⻋车 ⻌辶 ⻍辶 ⻎辶 ⻏阝 ⻐钅 ⻑长 ⻒长 ⻓长 ⻔门 ⻖阝 ⻗雨 ⻘青 ⻙韦 ⻚页 ⻛风 ⻜飞 ⻝食 ⻞食 ⻟食 "
    "⻠饣 ⻡首 ⻢马 ⻣骨 ⻤鬼 ⻥鱼 ⻦鸟 ⻧卤 ⻨麦 ⻩黄 ⻪黾 ⻫齐 ⻬齐 ⻭齿 ⻮齿 ⻯龙 ⻰龙 ⻱龟 ⻲龟 ⺀冫 "
    "⺁厂 ⺃乙 ⺄乙 ⺅亻 ⺆冂 ⺇几 ⺉刂 ⺊卜 ⺋卩 ⺾艹 ⺿艹 ⻀艹 "
)
"""Radicals that Unicode gives no compatibility form, each before the character that it is read as."""
