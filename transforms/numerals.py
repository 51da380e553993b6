"""Numbers as titles and statements write them: in Chinese characters, Roman numerals and words.

All texts are lower-case and simplified, as `transforms.keys` folds them.
"""

import re

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_DIGITS |= {c: i for i, c in enumerate("壹贰叁肆伍陆柒捌玖", start=1)}
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "廿": 20, "卅": 30}
CHINESE_NUMERALS = "".join([*_DIGITS, *_TENS])
CHINESE_NUMBER = f"[{CHINESE_NUMERALS}]+"
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}

ORDINAL_WORDS = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth"
    "|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth"
)
CARDINAL_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen"
)
_GERMAN_ORDINALS = "erste|zweite|dritte|vierte|funfte|sechste|siebente|achte|neunte|zehnte"
TENS_WORDS = dict(
    zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True)
)

_VALUES = {
    word: value
    for words in (ORDINAL_WORDS, CARDINAL_WORDS, _GERMAN_ORDINALS)
    for value, word in enumerate(words.split("|"), start=1)
} | TENS_WORDS
_ONE_WORD = rf"{ORDINAL_WORDS}|{CARDINAL_WORDS}|(?:{_GERMAN_ORDINALS})[rs]?"
_WORD = re.compile(rf"\b(?:({'|'.join(TENS_WORDS)})(?:[-\s]({_ONE_WORD}))?|({_ONE_WORD}))\b")


def chinese_number(text: str) -> int:
    """The value of a number in Chinese characters: 十二 → 12, 二〇一 → 201, 廿三 → 23."""
    if not any(c in _TENS for c in text):
        return int("".join(str(_DIGITS[c]) for c in text))
    total, digit = 0, None
    for c in text:
        if c in _TENS:
            total += _TENS[c] * (1 if digit is None or _TENS[c] in (20, 30) else digit)
            digit = None
        else:
            digit = _DIGITS[c]
    return total + (digit or 0)


def number(token: str) -> str:
    """A numeral of any kind as digits; other tokens as they are."""
    token = token.removeprefix("第").strip()[:30]
    if token.isdigit():
        return str(int(token))
    if token and all(c in _DIGITS or c in _TENS for c in token):
        return str(chinese_number(token))
    if token and set(token) <= set(_ROMAN):
        values = [_ROMAN[c] for c in token]
        return str(sum(-v if v < max(values[i:]) else v for i, v in enumerate(values)))
    return token


def words_as_digits(text: str) -> str:
    """Lower-case number words as digits: `two` and `second` as 2, `twenty-one` as 21, `erster` as 1."""

    def digits(found: re.Match[str]) -> str:
        words = [word for word in found.groups() if word]
        return str(sum(_VALUES.get(word) or _VALUES[word.rstrip("rs")] for word in words))

    return _WORD.sub(digits, text)
