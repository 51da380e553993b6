"""Find the character set of bibliographic bytes from the bytes themselves, and decode them strictly.

Labels (leader/09, 100$a/26-29, a file's name) are never trusted: in practice they lie.  A reading of the bytes
is rated by how likely its characters are in a library catalogue; the best reading wins if it is likely at all.

Known character sets: utf-8, gb18030 (reads GB 2312 and GBK too), big5, marc-8 (with EACC), koi8-r, utf-16.
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymarc import marc8_mapping

from harvesters.landing import utf16

UTF_8, GB18030, BIG5, MARC_8, KOI8_R, UTF_16 = "utf-8", "gb18030", "big5", "marc-8", "koi8-r", "utf-16"
CHARSETS = (UTF_8, GB18030, BIG5, MARC_8, KOI8_R, UTF_16)
ASCII = "ascii"  # what `detect` says of bytes that are the same in all of them
UNKNOWN = "unknown"  # what is said of a record whose text was not decoded
_ALIASES = {
    "utf8": UTF_8,
    "unicode": UTF_8,
    "gbk": GB18030,
    "gb2312": GB18030,
    "cp936": GB18030,
    "gb": GB18030,
    "cp950": BIG5,
    "marc8": MARC_8,
    "koi8r": KOI8_R,
    "utf16": UTF_16,
    "ucs2": UTF_16,
    "utf16le": UTF_16,
    "utf16be": UTF_16,
}
# What 100$a/26-29 may say of a charset; `01` is what systems write for GB 2312 when they keep no other code.
LABELS = {UTF_8: ("50",), UTF_16: ("50",), GB18030: ("10", "01"), KOI8_R: ("99",)}

# The commonest characters of Chinese titles: in both scripts alike, simplified only, traditional only.
_COMMON = (
    "版中社第出北市京志文民著人主委新法大地史南省海店方究共的行科公纂西化州政王李上代江硏家教林院司系生集"
    "工山明理年建事河室部物安作世局金初所天律育自研平古和港名香全高周副立水族料小德列成案展美合三治卷一有"
    "澳用本商沈光城央技十心之徐管清思永博者石湘春青津基利制通校朱川典昌百四解福保九子考英限正革二常程同日"
    "胡武分源何藏外湖刑印策撰交元原修都玉等特夏囯知宋五刊府梁重回田郭良定改白放企宗士洪力易品道口影仁目精"
    "材流土吉景蒙克言期振察近籍向雄稿度唐忠真想先析花祥哲蔡太泉下浙奇象述界及境秀比瑞例堂信敏毛拉昆鼎融前"
    "然康活路嘉八略曾松珍章告俊健手朝傅在少探村性惠秦罪波木其曹股念疆董指歌字秋沙要份宜慧老桂黎命陵潭伯宏"
    "故智兆杭泰最神月培徽杜肥相越任玲恩星承查存潘淑情隆呼鞍雪汪油丁收格索耀增崇森孔浩官房表走注姜溪戴施勇"
    "以宣君肖野根姚丘女梅型害曲洲"
)
_SIMPLIFIED = (
    "国编书学会华县丛经员与台发东张业党销区术论济陈组刘纪辑黄馆资办广阳军产实杨门历吴织艺郑云长选义贵图乡"
    "传宁总汉务现录苏马农湾报关档赵龙师战孙范电当庆兴统记语规动际专荣开库点联来亚题邓时镇尔问兰献陕贡画陆"
    "风权辽红诗译于内泽晓讨许庄评场写识运释罗卫观维汇计群册设伟协对说团叶冯筑宝体进鲁辉划质环杰财医谢审谈"
    "余话导远韩较诉刚丰乐笔变词齐征机读里强树闻峰气连领丽讼迁宪税银万检后为议涛视游处从干类继订辞礼鸿争秘"
    "伦宫萧构鹏钱怀间启护则贤摄剑卢别复凤钟顾劳铁调矿蒋纲结绍达忆个梦贾标锦顺"
)
_TRADITIONAL = (
    "國編書學會華縣叢經員與臺發東張業黨銷區術論濟陳組劉紀輯黃館資辦廣陽軍產實楊門歷吳織藝鄭雲長選義貴圖鄉"
    "傳寧總漢務現錄蘇馬農灣報關檔趙龍師戰孫範電當慶興統記語規動際專榮開庫點聯來亞題鄧時鎮爾問蘭獻陝貢畫陸"
    "風權遼紅詩譯於內澤曉討許莊評場寫識運釋羅衛觀維匯計羣冊設偉協對說團葉馮築寶體進魯輝劃質環傑財醫謝審談"
    "餘話導遠韓較訴剛豐樂筆變詞齊徵機讀裏強樹聞峯氣連領麗訟遷憲稅銀萬檢後爲議濤視遊處從幹類繼訂辭禮鴻爭祕"
    "倫宮蕭構鵬錢懷間啓護則賢攝劍盧別復鳳鍾顧勞鐵調礦蔣綱結紹達憶個夢賈標錦順群為裡峰秘啟傑台"
)

SAMPLE_BYTES = 1 << 15  # how much text that is not ASCII is looked at
SURE = 0.6
BEYOND_RIVALS = 1.1  # no reading but UTF-8 rates higher, the hint for ten characters included
LIKELY = 0.35  # a reading that rates lower is not believed
_TO_DELIMITERS = bytes.maketrans(b"\x1d\x1e\r\n", b"\x1f\x1f\x1f\x1f")  # what stands between pieces of text
_INSIDE_WORD = re.compile(r"(?<=[^\W\d_])[℗ℓ©♭♯£€°±¿¡](?=[^\W\d_])")  # signs that no word has
_ESCAPES = re.compile(rb"\x1b(?:[(,)\-$][!$,)\-]?[1-4BENQS]|[gbps])")


class Reading(NamedTuple):
    """How one charset reads some bytes: `rate` is about 1 for sure, 0 for noise, below 0 for worse."""

    charset: str
    rate: float
    characters: int  # how many are not ASCII


def canonical(name: str) -> str:
    """The name used here for a charset, whatever its spelling.

    Raises:
        ValueError: it is none that can be read.
    """
    key = name.strip().lower()
    if key in (*CHARSETS, "auto"):
        return key
    if (found := _ALIASES.get(re.sub(r"[\s_\-]", "", key))) is None:
        raise ValueError(f"encoding {name!r} is not known; write auto or one of {', '.join(CHARSETS)}")
    return found


def label_fits(charset: str, marc21: bool, label: str) -> bool:
    """Whether leader/09 (MARC 21) or 100$a/26-29 (UNIMARC, CNMARC) says that the text is in this charset."""
    if marc21:
        return label == "a" if charset in (UTF_8, UTF_16) else label != "a" and charset == MARC_8
    return any(code in (label[:2], label[2:4]) for code in LABELS.get(charset, ()))


@cache
def weights(charset: str) -> NDArray[np.int16]:
    """How likely each character of the Basic Multilingual Plane is in text of this charset, in percent."""
    table = np.zeros(0x10000, np.int16)
    for low, high, weight in (
        (0x80, 0xA0, -100),  # C1 controls
        (0x3000, 0x3020, 50),  # CJK punctuation and full width forms
        (0x3040, 0x3100, 30),  # kana
        (0xE000, 0xF900, -100),  # private use
        (0xFF01, 0xFF5F, 50),
        (0xFFFD, 0x10000, -100),
        (0x2500, 0x25A0, -50),  # box drawing
    ):
        table[low:high] = weight
    table[[0xB7, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026]] = 50
    if charset == UTF_8:  # that the bytes are valid is more evidence than any character
        table[0xA0:0xE000] = 120
        table[0xF900:0xFFFD] = 120
        return table
    if charset == GB18030:  # other scripts, most in four bytes with digits between, which no other charset has
        for low, high in ((0xC0, 0x370), (0x460, 0x2000), (0xFE20, 0xFE24)):  # not Greek and Cyrillic: two bytes
            table[low:high] = 60
    if charset == MARC_8:
        table[0xA1:0x250] = 70
        table[0x2B0:0x300] = 60
        table[0x300:0x370] = 70
        table[0x374:0x20D0] = 50
        table[[0xB0, 0xA9, 0xA3, 0x2117, 0x266D, 0x266F]] = 60
        table[0xFE20:0xFE24] = 70
    if charset == KOI8_R:
        table[0x410:0x430] = 30
        table[0x430:0x450] = 100
        table[[0x401, 0x451]] = 50
        table[0xA0:0x100] = -30
    common = _COMMON + _TRADITIONAL + ("" if charset == BIG5 else _SIMPLIFIED)
    table[[ord(character) for character in common]] = 100
    return table


@cache
def _composes(base: str, mark: str) -> bool:
    return len(unicodedata.normalize("NFC", base + mark)) == 1


def rate(charset: str, text: str) -> Reading:
    """Rate a decoded text by its characters, and by what they stand beside."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    other = points[points >= 0x80]
    if len(other) == 0:
        return Reading(charset, 0.0, 0)
    table = weights(charset)
    total = float(table[other[other < 0x10000]].sum(dtype=np.int64)) / 100
    if charset == UTF_8:
        total += 1.2 * float((other >= 0x10000).sum())
    if charset == MARC_8:  # marks that are on no letter, or on one that never has them
        total -= 1.5 * len(_INSIDE_WORD.findall(text))
        for base, mark in re.findall("(.)([\u0300-\u036f\ufe20-\ufe23])", text, re.DOTALL):
            if not base.isalpha():
                total -= 1.7
            elif mark < "\u0360":
                total += 0.3 if _composes(base, mark) else -0.4
    if charset == KOI8_R:  # Latin and Cyrillic in one word, and capitals behind small letters
        total -= len(re.findall("[A-Za-z][а-яА-Я]|[а-яА-Я][A-Za-z]|[а-я][А-Я]", text))
    return Reading(charset, total / len(other), len(other))


def _read(charset: str, pieces: list[bytes]) -> Reading | None:
    """Rate one charset on the pieces; None if more than one in fifty does not decode.

    A reading is worth less by five times the share of pieces that don't: a wrong charset fails often.
    """
    texts, failed = [], 0
    for piece in pieces:
        try:
            texts.append(decode(piece, charset))
        except UnicodeDecodeError:
            failed += 1
            if failed * 50 > len(pieces):
                return None
    reading = rate(charset, "\n".join(texts))
    return reading._replace(rate=reading.rate - 5 * failed / len(pieces))


def readings(sample: bytes, hint: str = "auto") -> list[Reading]:
    """All charsets that can read the sample, the likeliest first; empty if it is ASCII.

    `sample` is any stretch of records or lines; `hint` decides where the bytes alone do not: it counts the
    more the fewer characters there are.
    """
    hint = canonical(hint)
    if certain := _certain_utf8(sample):
        return [certain]
    pieces, size = [], 0
    for piece in sample.translate(_TO_DELIMITERS).split(b"\x1f"):
        if piece.isascii() and (b"\x1b" not in piece or not _ESCAPES.search(piece)):
            continue
        pieces.append(piece)
        size += len(piece)
        if size > SAMPLE_BYTES:
            break
    found = []
    high = not all(piece.isascii() for piece in pieces)
    for charset in (UTF_8, GB18030, BIG5, MARC_8, KOI8_R):
        if not high and charset != MARC_8:
            continue
        reading = _read(charset, pieces)
        if reading is not None and reading.characters:
            bonus = max(0.1, 1 / reading.characters) if charset == hint else 0.0
            found.append(reading._replace(rate=reading.rate + bonus))
    return sorted(found, key=lambda reading: -reading.rate)


def _certain_utf8(sample: bytes) -> Reading | None:
    """The reading as UTF-8 where no other can be likelier: so long a text is not valid by chance."""
    try:
        reading = rate(UTF_8, sample.decode())
    except UnicodeDecodeError:
        return None
    beyond = reading.rate > BEYOND_RIVALS and reading.characters >= 10
    return reading if beyond and not _ESCAPES.search(sample) else None


def detect(sample: bytes, hint: str = "auto") -> str | None:
    """The charset of the bytes; `ascii` if nothing tells, None if no known charset reads them sensibly."""
    return judge(sample, hint)[0]


def judge(sample: bytes, hint: str = "auto") -> tuple[str | None, bool]:
    """As `detect`, and whether it is sure: enough characters, likely ones, and no rival that reads them too."""
    if utf16(sample):
        return UTF_16, True
    if sample.isascii() and not _ESCAPES.search(sample):
        return ASCII, True
    best, *others = readings(sample, hint) or [Reading("", 0.0, 0)]
    if best.rate < LIKELY:
        return None, False
    rival = any(other.rate > best.rate - 0.5 for other in others if other.rate >= LIKELY)
    if best.charset == UTF_8:
        return UTF_8, not rival or best.characters > 3
    return best.charset, not rival and best.rate >= SURE and best.characters > 3


def decode(value: bytes, charset: str) -> str:
    """Decode strictly.

    Raises:
        UnicodeDecodeError: with the position of the first byte that can't be read.
    """
    if charset == MARC_8:
        return marc8(value)[0]
    if charset == BIG5:
        try:
            return value.decode("big5")
        except UnicodeDecodeError:
            return value.decode("cp950")
    return value.decode(charset)


# ISO 2022 as the MARC 21 specification of MARC-8 narrows it: sets of one byte by ( , ) -, EACC alone behind a $.
_ESCAPE = re.compile(rb"\x1b(?:([(,$]|\$,)(\$?)([1-4BNQSE])|([)\-]|\$[)\-])(!?)([1-4BENQS])|([gbps]))")
_STANDARD_ESCAPE = re.compile(rb"\x1b(?:[(,][2-4BNQS]|[)\-](?:[2-4BNQS]|!E)|\$[,)\-]?1|[gbps])")


def _code_sets(value: bytes, position: int) -> tuple[int, int | None, int | None, bool]:
    """Read a MARC-8 escape sequence: (its length, new G0, new G1, is it as the standard writes it).

    The length is 0 if it is none that is known.
    """
    match = _ESCAPE.match(value, position)
    if match is None:
        return 0, None, None, False
    standard = _STANDARD_ESCAPE.fullmatch(match.group()) is not None
    length = match.end() - position
    if match.group(7):
        return length, 0x42 if match.group(7) == b"s" else match.group(7)[0], None, standard
    if match.group(3):
        return length, match.group(3)[0], None, standard
    return length, None, match.group(6)[0], standard


def marc8(value: bytes) -> tuple[str, bool]:
    """Decode MARC-8, marks behind their letters, not normalised; and whether all of it was understood.

    An escape sequence that is not known stays in the text; one that is written otherwise than the standard has it
    is followed, but not understood for sure.  A single byte of ANSEL amid triples of EACC, or
    a mark on one, is read as the standard has it, but more often it is another charset's.

    Raises:
        UnicodeDecodeError: a byte or an EACC triple is in no table, or the value ends inside one.
    """
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii"), True
    g0, g1 = 0x42, 0x45
    text: list[str] = []
    marks: list[str] = []
    understood = True
    position = 0
    while position < len(value):
        byte = value[position]
        if byte == 0x1B:
            length, new_g0, new_g1, standard = _code_sets(value, position)
            g0, g1 = new_g0 or g0, new_g1 or g1
            at_end = position + length == len(value) and g0 != 0x42
            if not standard or at_end:  # a set that nothing is written in: its last letter may be the text's
                understood = False
            if length == 0:
                text.append("\x1b")
            position += length or 1
            continue
        code_set = g0 if byte < 0x80 else g1
        width = 3 if code_set == 0x31 and byte > 0x20 else 1
        point, combining = _marc8_character(value, position, width, code_set)
        if g0 == 0x31 and (marks or (width == 1 and byte >= 0x80)):
            understood = False
        if combining:
            marks.append(chr(point))
        else:
            text += [chr(point), *marks]
            marks = []
        position += width
    if marks:
        raise UnicodeDecodeError(MARC_8, value, len(value) - 1, len(value), "a mark stands on no letter")
    return "".join(text), understood


def _marc8_character(value: bytes, position: int, width: int, code_set: int) -> tuple[int, bool]:
    """One character of MARC-8: its code point and whether it is a mark that stands before its letter."""
    byte = value[position]
    if byte <= 0x20:
        return byte, False
    code = int.from_bytes(value[position : position + width], "big")
    if width == 3 and code & 0x808080 == 0x808080:  # EACC as the upper half; never byte by byte
        code &= 0x7F7F7F
    table = marc8_mapping.CODESETS[code_set]
    for key in (code, code ^ 0x80) if width == 1 and code_set not in (0x42, 0x45) else (code,):
        if key in table:
            point, combining = table[key]
            return point, bool(combining)
    if code in marc8_mapping.ODD_MAP:
        return marc8_mapping.ODD_MAP[code], False
    end = min(position + width, len(value))
    raise UnicodeDecodeError(MARC_8, value, position, end, f"no character {code:x} in set {code_set:x}")


class Table(NamedTuple):
    """A charset as arrays of code points: -1 is no character, -2 in `single` starts a longer one."""

    single: NDArray[np.int32]  # 256, by byte
    pair: NDArray[np.int32]  # 65536, by two bytes
    four: NDArray[np.int32]  # GB 18030: the four-byte characters of the Basic Multilingual Plane, in order
    weight: NDArray[np.int16]


def _point(value: bytes, charset: str) -> int:
    try:
        text = decode(value, charset)
    except UnicodeDecodeError:
        return -1
    return ord(text) if len(text) == 1 else -1


@cache
def table(charset: str) -> Table:
    """The arrays of gb18030, big5 or koi8-r, made from Python's codecs."""
    single = np.array([_point(bytes([byte]), charset) for byte in range(256)], np.int32)
    pair = np.full(65536, -1, np.int32)
    four = np.zeros(0, np.int32)
    if charset != KOI8_R:
        single[0x81:0xFF] = -2
        for lead in range(0x81, 0xFF):
            for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF)):
                pair[lead << 8 | trail] = _point(bytes([lead, trail]), charset)
    if charset == GB18030:
        four = np.array([_point(_four_bytes(index), charset) for index in range(39420)], np.int32)
    return Table(single, pair, four, weights(charset))


def _four_bytes(index: int) -> bytes:
    """The index-th four-byte sequence of GB 18030."""
    rest, d = divmod(index, 10)
    rest, c = divmod(rest, 126)
    a, b = divmod(rest, 10)
    return bytes([0x81 + a, 0x30 + b, 0x81 + c, 0x30 + d])
