"""Numbers as descriptions write them: digits, Chinese and Roman numerals, English ordinal words.

All texts are lower-case and simplified, as `transforms.keys` folds them.
"""

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_DIGITS |= {c: i for i, c in enumerate("壹贰叁肆伍陆柒捌玖", start=1)}
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "廿": 20, "卅": 30}
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}

CHINESE_NUMBER = "[" + "".join([*_DIGITS, *_TENS]) + "]+"
ORDINAL_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)


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
    token = token.removeprefix("第")[:30]
    if token.isdigit():
        return str(int(token))
    if token and all(c in _DIGITS or c in _TENS for c in token):
        return str(chinese_number(token))
    if token and set(token) <= set(_ROMAN):
        values = [_ROMAN[c] for c in token]
        return str(sum(-v if v < max(values[i:]) else v for i, v in enumerate(values)))
    return token
