"""OAI-PMH 2.0 answers out of a prepared repository (`sample.oai_data`), apart from HTTP."""

import base64
import binascii
import json
import mmap
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sample.marc import SLIM, xml_text

PAGE = 200
FORMATS = {
    "oai_dc": ("http://www.openarchives.org/OAI/2.0/oai_dc.xsd", "http://www.openarchives.org/OAI/2.0/oai_dc/"),
    "marcxml": ("http://www.loc.gov/standards/marcxml/schema/MARC21slim.xsd", SLIM),
}
# verb: arguments that it must have, arguments that it may have
ARGUMENTS: dict[str, tuple[set[str], set[str]]] = {
    "Identify": (set(), set()),
    "ListMetadataFormats": (set(), {"identifier"}),
    "ListSets": (set(), {"resumptionToken"}),
    "GetRecord": ({"identifier", "metadataPrefix"}, set()),
    "ListIdentifiers": ({"metadataPrefix"}, {"from", "until", "set", "resumptionToken"}),
    "ListRecords": ({"metadataPrefix"}, {"from", "until", "set", "resumptionToken"}),
}
_OPEN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation='
    '"http://www.openarchives.org/OAI/2.0/ http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd">\n'
)


class OaiError(Exception):
    """An error of the protocol; `code` is one of those that OAI-PMH 2.0 (3.6) names."""

    def __init__(self, code: str, message: str):
        self.code = code
        super().__init__(message)


@dataclass(frozen=True)
class Selection:
    """What a list request asks for; a resumption token is one of these, written down."""

    verb: str
    prefix: str
    begin: str  # full datestamps, inclusive; empty where not limited
    end: str
    set_spec: str
    cursor: int
    snapshot: str

    def token(self) -> str:
        """The selection as an opaque word."""
        content = json.dumps([*self.__dict__.values()], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, token: str) -> "Selection":
        """The selection that a token stands for.

        Raises:
            OaiError: badResumptionToken.
        """
        try:
            values = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True))
            selection = cls(*values)
        except (binascii.Error, ValueError, TypeError) as error:
            raise OaiError("badResumptionToken", "this token was not given out here") from error
        texts = [value for name, value in selection.__dict__.items() if name != "cursor"]
        if type(selection.cursor) is not int or selection.cursor < 0 or not all(isinstance(t, str) for t in texts):
            raise OaiError("badResumptionToken", "this token was not given out here")
        return selection


class Repository:
    """One source's prepared data, opened for answering."""

    def __init__(self, folder: Path, page: int = PAGE):
        self.snapshot = snapshot(folder)
        about = json.loads((folder / "source.json").read_text("utf-8"))
        self.name: str = about["name"]
        self.day: bool = about["granularity"] == "day"
        self.prefixes: list[str] = about["prefixes"]
        self.set_names: list[str] = about["sets"]
        self.page = page
        index = pq.read_table(folder / "index.parquet").to_pydict()
        self.index: dict[str, list[Any]] = index
        self.stamps: list[str] = index["datestamp"]
        self.rows = {identifier: row for row, identifier in enumerate(index["identifier"])}
        self.sets = {
            name: [row for row, names in enumerate(index["sets"]) if name in names] for name in self.set_names
        }
        self.content = {prefix: _map(folder / f"{prefix}.xml") for prefix in self.prefixes}

    def answer(self, pairs: list[tuple[str, str]], base_url: str) -> bytes:
        """The whole response document for the arguments of a request."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        attributes = "".join(f' {name}="{xml_text(text)}"' for name, text in pairs)
        try:
            arguments = _checked(pairs)
            verb = arguments.pop("verb")
            body = b"<%s>\n%s</%s>\n" % (verb.encode(), self._body(verb, arguments, base_url), verb.encode())
        except OaiError as error:
            if error.code in ("badVerb", "badArgument"):
                attributes = ""
            body = f'<error code="{error.code}">{xml_text(str(error))}</error>\n'.encode()
        head = f"{_OPEN}<responseDate>{now}</responseDate>\n<request{attributes}>{xml_text(base_url)}</request>\n"
        return head.encode() + body + b"</OAI-PMH>\n"

    def _body(self, verb: str, arguments: dict[str, str], base_url: str) -> bytes:
        if verb == "Identify":
            return self._identify(base_url).encode()
        if verb == "ListMetadataFormats":
            return self._formats(arguments.get("identifier")).encode()
        if verb == "ListSets":
            return self._list_sets(arguments).encode()
        if verb == "GetRecord":
            row = self._row(arguments["identifier"])
            return self._slice(self._known(arguments["metadataPrefix"]), row, whole=True)
        return self._list(self._selection(verb, arguments))

    def _identify(self, base_url: str) -> str:
        earliest = self.stamps[0] if self.stamps else ("1970-01-01" if self.day else "1970-01-01T00:00:00Z")
        rows = [
            ("repositoryName", self.name),
            ("baseURL", base_url),
            ("protocolVersion", "2.0"),
            ("adminEmail", "demo@library.example"),
            ("earliestDatestamp", earliest),
            ("deletedRecord", "persistent"),
            ("granularity", "YYYY-MM-DD" if self.day else "YYYY-MM-DDThh:mm:ssZ"),
        ]
        return "".join(f"<{name}>{xml_text(text)}</{name}>\n" for name, text in rows)

    def _formats(self, identifier: str | None) -> str:
        if identifier is not None:
            self._row(identifier)
        return "".join(
            f"<metadataFormat><metadataPrefix>{prefix}</metadataPrefix><schema>{FORMATS[prefix][0]}</schema>"
            f"<metadataNamespace>{FORMATS[prefix][1]}</metadataNamespace></metadataFormat>\n"
            for prefix in self.prefixes
        )

    def _list_sets(self, arguments: dict[str, str]) -> str:
        if "resumptionToken" in arguments:
            raise OaiError("badResumptionToken", "the list of sets has one page only")
        if not self.set_names:
            raise OaiError("noSetHierarchy", "this repository has no sets")
        return "".join(
            f"<set><setSpec>{name}</setSpec><setName>{name.replace(':', ', ').capitalize()}</setName></set>\n"
            for name in self.set_names
        )

    def _row(self, identifier: str) -> int:
        if identifier not in self.rows:
            raise OaiError("idDoesNotExist", f"no record {identifier} here")
        return self.rows[identifier]

    def _known(self, prefix: str) -> str:
        if prefix not in self.prefixes:
            raise OaiError("cannotDisseminateFormat", f"{prefix} is not among {', '.join(self.prefixes)}")
        return prefix

    def _selection(self, verb: str, arguments: dict[str, str]) -> Selection:
        if token := arguments.get("resumptionToken"):
            selection = Selection.read(token)
            if selection.verb != verb or selection.prefix not in self.prefixes:
                raise OaiError("badResumptionToken", "the token belongs to another request")
            if selection.snapshot != self.snapshot:
                raise OaiError("badResumptionToken", "the token has expired: the repository has changed since")
            return selection
        prefix = self._known(arguments["metadataPrefix"])
        begin, end = arguments.get("from", ""), arguments.get("until", "")
        if begin and end and len(begin) != len(end):
            raise OaiError("badArgument", "from and until differ in granularity")
        begin, end = self._limit(begin, "T00:00:00Z"), self._limit(end, "T23:59:59Z")
        if begin and end and begin > end:
            raise OaiError("badArgument", "from is later than until")
        if "set" in arguments and not self.set_names:
            raise OaiError("noSetHierarchy", "this repository has no sets")
        return Selection(verb, prefix, begin, end, arguments.get("set", ""), 0, self.snapshot)

    def _limit(self, text: str, time: str) -> str:
        """A date argument in the repository's own granularity."""
        if not text:
            return ""
        shape = "%Y-%m-%d" if len(text) == 10 else "%Y-%m-%dT%H:%M:%SZ"
        try:
            datetime.strptime(text, shape)
        except ValueError as error:
            raise OaiError("badArgument", f"{text} is no UTC date of OAI-PMH") from error
        if self.day and len(text) > 10:
            raise OaiError("badArgument", "this repository's granularity is the day")
        return text + time if len(text) == 10 and not self.day else text

    def _list(self, selection: Selection) -> bytes:
        first = bisect_left(self.stamps, selection.begin) if selection.begin else 0
        after = bisect_right(self.stamps, selection.end) if selection.end else len(self.stamps)
        rows: Sequence[int] = range(first, after)
        if selection.set_spec:
            of_set = self.sets.get(selection.set_spec, [])
            rows = of_set[bisect_left(of_set, first) : bisect_left(of_set, after)]
        if not rows:
            raise OaiError("noRecordsMatch", "no record fits these arguments")
        if selection.cursor >= len(rows):
            raise OaiError("badResumptionToken", "the list has fewer records")
        page = rows[selection.cursor : selection.cursor + self.page]
        whole = selection.verb == "ListRecords"
        parts = [self._slice(selection.prefix, row, whole) for row in page]
        following = selection.cursor + len(page)
        if following < len(rows) or selection.cursor:
            next_one = Selection(**{**selection.__dict__, "cursor": following})
            token = next_one.token() if following < len(rows) else ""
            sizes = f'completeListSize="{len(rows)}" cursor="{selection.cursor}"'
            parts.append(f"<resumptionToken {sizes}>{token}</resumptionToken>\n".encode())
        return b"".join(parts)

    def _slice(self, prefix: str, row: int, whole: bool) -> bytes:
        begin = self.index[f"{prefix}_offset"][row]
        if whole:
            return self.content[prefix][begin : begin + self.index[f"{prefix}_length"][row]]
        begin += len(b"<record>")
        return self.content[prefix][begin : begin + self.index["header_length"][row]] + b"\n"


def snapshot(folder: Path) -> str:
    """A word that changes whenever the folder is written anew."""
    state = (folder / "source.json").stat()
    return f"{state.st_ino:x}.{state.st_mtime_ns:x}"


def _map(path: Path) -> bytes | mmap.mmap:
    if path.stat().st_size == 0:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _checked(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The arguments as a mapping that fits its verb.

    Raises:
        OaiError: badVerb or badArgument.
    """
    arguments = dict(pairs)
    verbs = [text for name, text in pairs if name == "verb"]
    if len(verbs) != 1 or verbs[0] not in ARGUMENTS:
        raise OaiError("badVerb", f"the verb must be one of {', '.join(ARGUMENTS)}, once")
    if len(arguments) != len(pairs):
        raise OaiError("badArgument", "an argument is repeated")
    required, optional = ARGUMENTS[verbs[0]]
    given = set(arguments) - {"verb"}
    if unknown := given - required - optional:
        raise OaiError("badArgument", f"{verbs[0]} has no argument {', '.join(sorted(unknown))}")
    if "resumptionToken" in given:
        if len(given) > 1:
            raise OaiError("badArgument", "resumptionToken is exclusive")
    elif missing := required - given:
        raise OaiError("badArgument", f"{verbs[0]} needs {', '.join(sorted(missing))}")
    return arguments
