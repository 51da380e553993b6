"""How the text of a table is encoded: by its mark, by what its bytes can be, by what it declares."""

import codecs
import re

import numpy as np
import pyarrow as pa

from harvesters.compressed import UnreadableError

_BLOCK = 8 << 20
_LOOKED_AT = 4096  # bytes in which HTML or XML says its encoding
_DECLARED = re.compile(rb"(?i)(?:charset|encoding)\s*=\s*[\"']?\s*([a-z0-9_.\-]+)")
# Who declares GB 2312 often sends GBK, who declares Big5 the one of Windows or of Hong Kong.
_WIDER = {"gb2312": ("gb18030",), "gbk": ("gb18030",), "big5": ("cp950", "big5hkscs")}


def encoding_of(content: bytes, what: str, given: str = "auto") -> str:
    """The encoding of text: by its mark, UTF-8 where all of it is, else what it declares, else GB18030.

    What HTML declares is often not so; text in another encoding is no UTF-8 by chance.

    Raises:
        UnreadableError: it is none of these, or not the one given.
    """
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if given == "auto" and _is_utf8(content):
        return "utf-8-sig"
    names = _declared(content[:_LOOKED_AT]) if given == "auto" else (given,)
    for name in names:
        decoder, view = codecs.getincrementaldecoder(name)(), memoryview(content)
        try:
            for begin in range(0, len(view), _BLOCK):
                decoder.decode(view[begin : begin + _BLOCK], begin + _BLOCK >= len(view))
            return name
        except UnicodeDecodeError:
            continue
    raise UnreadableError(f"{what}: neither UTF-8 nor {_shown(names)} text; save it as UTF-8 and send it again")


def _shown(names: tuple[str, ...]) -> str:
    return " or ".join(name.upper() for name in names)


def _declared(start: bytes) -> tuple[str, ...]:
    """The codecs that text in HTML or XML may have by its declaration; GB18030 where it says nothing, or UTF-8."""
    found = _DECLARED.search(start) if start.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:1] == b"<" else None
    try:
        codec = codecs.lookup(found[1].decode() if found else "gb18030")
        "".encode(codec.name)  # some codecs are of no text
    except LookupError:
        return ("gb18030",)
    return ("gb18030",) if codec.name.startswith(("utf", "ascii")) else _WIDER.get(codec.name, (codec.name,))


def _is_utf8(content: bytes) -> bool:
    """Whether all of it is UTF-8; Arrow's check goes through many bytes at a time."""
    ends = pa.py_buffer(np.array([0, len(content)], np.int64))
    try:
        pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(content)]).cast(
            pa.large_string()
        )
    except pa.ArrowInvalid:
        return False
    return True


def as_utf8(content: bytes, what: str, given: str = "auto") -> bytes:
    """Text in UTF-8, without a mark at its begin; what is UTF-8 is not copied.

    Raises:
        UnreadableError: as for `encoding_of`.
    """
    name = encoding_of(content, what, given)
    if name not in ("utf-8-sig", "utf-8"):
        content = content.decode(name).encode("utf-8")
    return content.removeprefix(codecs.BOM_UTF8)
