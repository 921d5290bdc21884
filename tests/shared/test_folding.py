import gzip
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared import folding
from shared.folding import build, fold, skeleton

any_text = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=[]))


@given(any_text)
@example("".join(map(chr, range(0x20000))))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert skeleton(skeleton(text)) == skeleton(text) == skeleton(fold(text))


@given(any_text)
def test_a_symbol_is_one_character_that_every_platform_can_show(text: str) -> None:
    folded = fold(text)
    assert len(folded) <= len(text)
    assert all(0 < ord(symbol) <= 0xFFFF and not 0xD800 <= ord(symbol) <= 0xDFFF for symbol in folded)


@given(any_text)
def test_the_skeleton_is_the_folded_text_without_its_marks(text: str) -> None:
    assert skeleton(text) == "".join(symbol for symbol in fold(text) if symbol not in folding.MARKS)


@given(st.lists(st.integers(-(2**31), 2**31 - 1)))
@example([-(2**31), -1, 0, 0x1FFFF, 0x20000, 0x110000, 2**31 - 1])
def test_any_number_has_a_symbol(points: list[int]) -> None:
    symbols = folding.fold_codepoints(np.array(points, dtype=np.int32))
    assert len(symbols) == len(points)
    for point, symbol in zip(points, symbols.tolist(), strict=True):
        if point <= 0:
            assert symbol == 0
        if point >= folding.TABLE_LENGTH:
            assert chr(symbol) == folding.BEYOND


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("ＶＸ１３８：，！", "vx138:,!"),
        ("𝓥𝕏𝟙３٣४８", "vx13348"),
        ("ⓥⓧ🅥🅧🇻🇽", "vxvxvx"),
        ("①❷⑶⓸⑸", "12345"),
        ("ВХ е с о р", "bxecop"),
        ("ΑΒΕ ο ν", "abeov"),
        ("Wéīxìn ñ ø ł ß", "weixinnols"),
        ("ᴠɪᴘ ɡɑ", "vipga"),
        ("後裡臺灣線髮", "后里台湾线发"),
        ("⾦⻋⻢㊙㈠🈶", "金车马秘一有"),
        ("➕➖✖", "+-×"),
        ("【a】「b」《c》", '[a]"b"<c>'),
        ("加\u200b微\u2060信\ufeff", "加微信"),
        ("加丶微丿信\u2f02㇏", "加微信"),
        ("e\u0301 \u00a0\t\r\n\u3000\x00\ud800\udfff\u3164", "e"),
        ("一️⃣1️⃣👍🏽", "一1☞"),
        ("☎️📱❤️💋😀💰🔥", "☎☎♥♥☺¤★"),
        ("\ue000\U00020bb7\U0010ffff", "〓〓〓"),
    ],
)
def test_a_disguise_folds_to_what_it_is_read_as(disguised: str, plain: str) -> None:
    assert fold(disguised) == plain


def test_punctuation_between_letters_is_gone_from_the_skeleton() -> None:
    assert skeleton("加*微.信★:Ｖ-Ｘ_1️⃣") == skeleton("加微信vx1") == "加微信vx1"


def test_the_table_of_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    folding._guarded_table.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(folding, "DIGEST", f"sha256:{'0' * 64}")
        with pytest.raises(folding.FoldingTableError, match="install Quietline again"):
            fold("a")
    folding._guarded_table.cache_clear()
    assert fold("A") == "a"


def test_the_table_cannot_be_changed_by_its_readers() -> None:
    for array in (folding.table(), folding.is_letter()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_table_is_what_the_build_makes() -> None:
    opencc = pytest.importorskip("opencc")
    if unicodedata.unidata_version != build.UNICODE_VERSION:
        pytest.skip(f"built with Unicode {build.UNICODE_VERSION}, this Python knows {unicodedata.unidata_version}")
    stored = Path(folding.__file__).with_name(folding.TABLE_FILE).read_bytes()
    assert build.build_table(opencc.OpenCC("t2s").convert) == gzip.decompress(stored)


def test_every_look_alike_is_folded_to_what_it_looks_like() -> None:
    for letter, signs in build.lookalikes.LETTERS.items():
        assert fold(signs) == letter * len(signs)
    for sign, character in build.lookalikes.RADICALS.split():
        assert fold(sign) == character
