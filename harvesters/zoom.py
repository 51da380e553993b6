"""As much of libyaz's ZOOM as a harvest needs, by ctypes (yaz/zoom.h; Debian: libyaz5).

ZOOM is a C interface to Z39.50.  Nothing of it leaves this module: a connection gives sizes and raw records, or
raises `ZoomError` with the code and texts that the library or the target gave.
"""

import ctypes
import ctypes.util
from functools import cache
from typing import Any

CONNECT, CONNECTION_LOST, INIT, TIMEOUT = 10000, 10004, 10005, 10007  # ZOOM_ERROR_…
_P, _S, _N = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_FUNCTIONS = {
    "connection_create": (_P, [_P]),
    "connection_connect": (None, [_P, _S, ctypes.c_int]),
    "connection_destroy": (None, [_P]),
    "connection_search": (_P, [_P, _P]),
    "connection_error_x": (ctypes.c_int, [_P, ctypes.POINTER(_S), ctypes.POINTER(_S), ctypes.POINTER(_S)]),
    "options_create": (_P, []),
    "options_destroy": (None, [_P]),
    "options_setl": (None, [_P, _S, _S, ctypes.c_int]),
    "query_create": (_P, []),
    "query_destroy": (None, [_P]),
    "query_prefix": (ctypes.c_int, [_P, _S]),
    "query_cql": (ctypes.c_int, [_P, _S]),
    "resultset_size": (_N, [_P]),
    "resultset_records": (None, [_P, ctypes.POINTER(_P), _N, _N]),
    "resultset_destroy": (None, [_P]),
    "record_get": (_P, [_P, _S, ctypes.POINTER(ctypes.c_int)]),
    "record_error": (ctypes.c_int, [_P, ctypes.POINTER(_S), ctypes.POINTER(_S), ctypes.POINTER(_S)]),
}


class ZoomError(Exception):
    """What the library or the target says went wrong; codes from 10000 on are the library's."""

    def __init__(self, code: int, message: str, details: str = ""):
        super().__init__(f"{message} ({details})" if details else message)
        self.code = code


@cache
def _library() -> ctypes.CDLL | None:
    found = ctypes.util.find_library("yaz") or "libyaz.so.5"
    try:
        library = ctypes.CDLL(found)
    except OSError:
        return None
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, f"ZOOM_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def is_there() -> bool:
    """Whether libyaz is installed."""
    return _library() is not None


def _call(name: str, *arguments: Any) -> Any:
    library = _library()
    assert library is not None
    return getattr(library, f"ZOOM_{name}")(*arguments)


class Connection:
    """A connection to one database, made when it is first asked; not for several threads.

    Args:
        host: `tcp:host:port` or `unix:path`.
        options: of ZOOM, by name (databaseName, preferredRecordSyntax, timeout …).
    """

    def __init__(self, host: str, options: dict[str, str]):
        self._set = None
        made = _call("options_create")
        for name, value in options.items():
            coded = value.encode()
            _call("options_setl", made, name.encode(), coded, len(coded))
        self._connection = _call("connection_create", made)
        _call("options_destroy", made)
        _call("connection_connect", self._connection, host.encode(), 0)
        self._check()

    def search(self, query: str, cql: bool = False) -> int:
        """How many records the query finds; they can be asked for until the next search."""
        made = _call("query_create")
        try:
            if _call("query_cql" if cql else "query_prefix", made, query.encode()) != 0:
                raise ZoomError(0, "the query is not understood", query)
            self._forget()
            self._set = _call("connection_search", self._connection, made)
            self._check()
        finally:
            _call("query_destroy", made)
        return int(_call("resultset_size", self._set))

    def records(self, position: int, most: int) -> list[tuple[str, bytes] | ZoomError]:
        """Records from a position (counted from 1) on: syntax and bytes as they came, or what came instead."""
        found = (_P * most)()
        _call("resultset_records", self._set, found, position - 1, most)
        self._check()
        records: list[tuple[str, bytes] | ZoomError] = []
        for record in found:
            if not record:
                break
            records.append(_record(record))
        return records

    def _check(self) -> None:
        texts = _Texts()
        if code := _call("connection_error_x", self._connection, *texts.refs):
            raise ZoomError(code, texts.text(0), texts.text(1))

    def _forget(self) -> None:
        if self._set:
            _call("resultset_destroy", self._set)
            self._set = None

    def close(self) -> None:
        """End the connection; harmless when it has ended."""
        self._forget()
        if self._connection:
            _call("connection_destroy", self._connection)
            self._connection = None


class _Texts:
    """Three texts that a function sets: message, details, the set that codes are of."""

    def __init__(self) -> None:
        self._held = [_S(), _S(), _S()]
        self.refs = [ctypes.byref(one) for one in self._held]

    def text(self, number: int) -> str:
        return (self._held[number].value or b"").decode("utf-8", "replace")


def _record(record: Any) -> tuple[str, bytes] | ZoomError:
    texts = _Texts()
    code = _call("record_error", record, *texts.refs)
    if code:
        return ZoomError(code, texts.text(0), texts.text(1))
    size = ctypes.c_int()
    syntax = _call("record_get", record, b"syntax", ctypes.byref(size))
    name = ctypes.string_at(syntax).decode("ascii", "replace") if syntax else ""
    raw = _call("record_get", record, b"raw", ctypes.byref(size))
    if not raw:
        return ZoomError(0, f"a record without bytes ({name or 'no syntax'})")
    return name, ctypes.string_at(raw, size.value) if size.value >= 0 else ctypes.string_at(raw)
