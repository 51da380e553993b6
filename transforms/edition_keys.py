"""Keys of edition statements: which edition one names, however it is written.

All texts are lower-case, simplified and without accents, as `transforms.keys` folds them: й is и, ü is u.
"""

import re
from functools import lru_cache

from transforms.numerals import CHINESE_NUMBER, ORDINAL_WORDS, TENS_WORDS, number

# Ordinal words by language: their endings, and their stems from first on; `/` stands between two of one number.
# Only the feminine, where an edition is feminine: `quarto` is a size.
_ORDINALS = {
    "English": ([""], ORDINAL_WORDS.replace("|", " ")),
    "German": (
        ["e", "en", "er"],
        "erst zweit dritt viert funft/fuenft sechst siebt/siebent acht neunt zehnt elft zwolft/zwoelft dreizehnt "
        "vierzehnt funfzehnt/fuenfzehnt sechzehnt siebzehnt achtzehnt neunzehnt zwanzigst",
    ),
    "French": (
        ["e"],
        "premier/uniem deuxiem/second troisiem quatriem cinquiem sixiem septiem huitiem neuviem dixiem onziem "
        "douziem treiziem quatorziem quinziem seiziem",
    ),
    "Italian": (["a"], "prim second terz quart quint sest settim ottav non decim undicesim dodicesim"),
    "Spanish": (["a"], "primer segund tercer cuart quint sext septim octav noven decim undecim duodecim"),
    "Portuguese": (["a"], "primeir segund terceir quart quint sext setim oitav non decim"),
    "Latin": (["a"], "prim secund terti quart quint sext septim octav non decim undecim duodecim"),
    "Russian": (["е"], "перво второ треть четверто пято шесто седьмо восьмо девято десято"),
    "romanised Russian": (
        ["e"],
        "pervo vtoro tret/tret' chetverto piato/pyato shesto sed'mo/sedmo vos'mo/vosmo deviato/devyato "
        "desiato/desyato",
    ),
}
_ORDINAL_VALUES = {
    stem + ending: str(value)
    for endings, stems in _ORDINALS.values()
    for value, same in enumerate(stems.split(), start=1)
    for stem in same.split("/")
    for ending in endings
}
# Words that stand before another ordinal: twenty-second, vigesima segunda, vingt et unieme, двадцать второе.
_TENS = {
    word: tens * 10
    for tens, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_TENS = {
    **TENS_WORDS, "dix": 10, "vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60,
    "decima": 10, "vigesima": 20, "trigesima": 30, "двадцать": 20, "тридцать": 30,
}  # fmt: skip
_ORDINAL_VALUES |= {f"{word[:-1]}ieth": str(value) for word, value in TENS_WORDS.items()}
_ORDINAL_VALUES |= {"vigesima": "20", "trigesima": "30"}
_ORDINAL = re.compile(rf"\b(?:({'|'.join(_TENS)})\W(?:et\W)?)?({'|'.join(_ORDINAL_VALUES)})\b")

# Numbered too, but no editions.
_OTHER_NUMBER = re.compile(
    r"\d+[^\W\d]*[\s.]+(?:anniversary|century|printing|impression|thousand|tausend|nachdr|abdr|tirage|ristampa|reimpr)"
    r"|\d+\s*周年"
)
_REVISED = (
    r"修[订正]|[增増][订补修]|重[订修]|校订|改[订版]|新订|\brev|\benl|\bexpanded|\bupdated|corr"
    r"|\baugm|\baum\b|\baument|\bampli|\bauct|\briv\b|\brived|\bactuali[sz]|\bue?berarb|verb(?:\b|ess)"
    r"|verm(?:\b|ehr)|\berw(?:\b|eit)|перераб|испр|\bдоп(?:\b|олнен)(?!\.?\s*тир)|pererab|\bispr"
    r"|\bdop(?:\b|oln)(?!\.?\s*tir)"
)
# 2nd ed., 2-е изд.
_NUMBER_FIRST = r"(\d+)\s*(?:°|-[oо]?[eе]\b)?[\w\s.,&\[\]]*?\b(?:ed|aufl|ausg|изд|izd|wyd|vyd)"
# Ed. 2, изд. 2-е, version 2.0: with nothing behind that makes it a date or a count.
_NUMBER_BEHIND = (
    r"\b(?:ed(?:n|i[tcz][ia]\w+)?|aufl(?:age)?|ausg(?:abe)?|изд(?:ание)?|izd(?:anie)?|[vw]yd(?:ani[ei])?"
    r"|ver(?:sion)?)[\s.:\[]*(\d+(?:\.[1-9]\d*)?)(?:\.0)?(?:st|nd|r?d|th|(?:em)?e|a|-?[oо]?[eе])?"
    rf"(?=[\s.\]]*(?:$|[,;:(]|/(?!\d)|{_REVISED}))"
)
_NUMBER = re.compile(
    rf"{_NUMBER_FIRST}|{_NUMBER_BEHIND}|第\s*(\d+|{CHINESE_NUMBER})\s*[次]?\s*[版改修]|(\d+|{CHINESE_NUMBER})\s*版"
    r"|^\W*(\d+)\W*$"
)
# Editions without a number: what the statement says, in the order looked for.
_MARKS = (
    ("影印", re.compile(r"影印|facsim")),
    ("大字", re.compile(r"大字|large[ -]?print|large[ -]type")),
    ("缩", re.compile(r"缩[写印]|节[选译]本|\babridged|\babr\b")),
    ("教师", re.compile(r"教师|teacher|instructor")),
    ("修订", re.compile(_REVISED)),
    ("新", re.compile(r"新[一]?版|新编|\bnew\b|\bneu|\bnouv|\bnueva")),
    # Alone it counts editions like 三版; behind a year or another edition it is said of any reissue.
    ("2", re.compile(r"^\W*再版")),
)
_UNABRIDGED = re.compile(r"\bunabr\w*")


@lru_cache(20_000)  # distinct statements that are not worked out again
def edition(text: str) -> str:
    """The key of an edition statement: its number, else what kind it says, else 1."""
    numbered = _OTHER_NUMBER.sub("", _ORDINAL.sub(_as_digits, text))
    if found := _NUMBER.search(numbered):
        value = number(next(group for group in found.groups() if group))
        if value != "1" and len(value.partition(".")[0]) < 4:  # not a year
            return value
    text = _UNABRIDGED.sub("", text)
    return next((mark for mark, pattern in _MARKS if pattern.search(text)), "1")


def _as_digits(found: re.Match[str]) -> str:
    tens, word = found.groups()
    return f"{_TENS.get(tens, 0) + int(_ORDINAL_VALUES[word])}th"
