"""Illegal characters in XML, mended: what no XML document may hold, where it can have meant one thing only.

    xml-control-character   control characters, and references to characters that XML does not have: left out
    xml-wrong-bytes         lone bytes that are no UTF-8, in a document in UTF-8, between letters: read as
                            Windows-1252, where Latin-1 has its letters
    xml-bare-ampersand      `&` that begins no reference is the sign itself; HTML's names are characters

Other bytes that are no UTF-8 can't be read (`encoding-undecodable`): their record is not mended.  The bytes as
received stay in the raw layer; each record concerned gets an issue by the rule's name.
"""

import codecs
import html.entities
import re

CONTROL, WRONG_BYTES, AMPERSAND = "xml-control-character", "xml-wrong-bytes", "xml-bare-ampersand"
UNDECODABLE = "encoding-undecodable"
_ILLEGAL = bytes(n for n in range(0x20) if n not in (0x09, 0x0A, 0x0D))
_NONCHARACTERS = re.compile("[\ufffe\uffff]")
# what is marked as plain text (CDATA) has no references
_REFERENCE = re.compile(
    rb"(<!\[CDATA\[.*?\]\]>)|&(?:#(\d{1,8}|[xX][0-9A-Fa-f]{1,7});|([A-Za-z][A-Za-z0-9]{0,31});)?", re.DOTALL
)
_OWN_NAMES = (b"amp", b"lt", b"gt", b"quot", b"apos")
_WORDS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_HANDLER = "calis-lone-bytes"


def _lone_bytes(error: UnicodeError) -> tuple[str, int]:
    """What bytes that are no UTF-8 are read as; U+FFFD where that is not to be told."""
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    around = error.object[max(0, error.start - 1) : error.start] + error.object[error.end : error.end + 1]
    told = len(wrong) == 1 and around.isascii() and any(byte in _WORDS for byte in around)
    return (wrong.decode("cp1252", "replace") if told else "\ufffd"), error.end


codecs.register_error(_HANDLER, _lone_bytes)


def mend(content: bytes) -> tuple[bytes, list[str]]:
    """A document or a part of one in UTF-8 without illegal characters, and the rules by which it was mended."""
    rules = []
    mended = content.translate(None, _ILLEGAL)
    try:
        text = mended.decode()
    except UnicodeDecodeError:
        text = mended.decode("utf-8", _HANDLER)
        known = mended.count("\ufffd".encode())  # that were sent so
        rules.append(UNDECODABLE if text.count("\ufffd") > known else WRONG_BYTES)
    whole, noncharacters = _NONCHARACTERS.subn("", text)
    mended, found = _references(whole.encode())
    if len(content.translate(None, _ILLEGAL)) < len(content) or noncharacters or CONTROL in found:
        rules.insert(0, CONTROL)
    return mended, rules + [AMPERSAND] * (AMPERSAND in found)


def _references(content: bytes) -> tuple[bytes, set[str]]:
    """The content with references as XML may have them, and the rules by which any was mended."""
    found: set[str] = set()

    def legal(match: "re.Match[bytes]") -> bytes:
        plain, number, name = match.groups()
        if plain:
            return match[0]
        if number:
            if _allowed(int(number[1:], 16) if number[:1] in b"xX" else int(number)):
                return match[0]
            found.add(CONTROL)
            return b""
        if name in _OWN_NAMES:
            return match[0]
        known = html.entities.html5.get(f"{name.decode()};") if name else None
        if name and not known:  # an entity that the document does not define
            return match[0]
        found.add(AMPERSAND)
        return html.escape(known, quote=False).encode() if known else b"&amp;" + match[0][1:]

    return _REFERENCE.sub(legal, content), found


def _allowed(number: int) -> bool:
    """Whether XML has the character (XML 1.0, production 2)."""
    if number < 0x20:
        return number in (0x09, 0x0A, 0x0D)
    return number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or 0x10000 <= number <= 0x10FFFF
