"""MARC written as text (JSON, Aleph sequential, line dumps): from the bytes of records to chunks.

The module of each form cuts the stream into records and parses the text of one; here is what they share: the
charset is found on the bytes, of the file and of each record, and the whole record is decoded before anything
is split, because `|`, `@` and `^` are second bytes of Chinese characters in GBK.
"""

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, cast

from harvesters.containers import utf16
from transforms import charset
from transforms.chunk import Chunk
from transforms.field_columns import Columns, Field
from transforms.utf16 import Utf16

CHUNK_RECORDS = 2000
CHUNK_BYTES = 4 << 20
READ = 1 << 20
MAX_RECORD = 16 << 20  # bytes of a record that are kept and parsed
SAMPLED_RECORDS = 50
READER_NAME = "200"
UNDECODABLE = "encoding-undecodable"  # the rule of a record that is in no known charset
_HAN = re.compile(r"[\u4e00-\u9fff]")
_MARC_8 = re.compile(rb"\x1b[(,)\-$]")
Unit = tuple[int, bytes]  # where a record starts, and its bytes


class Refusal(Exception):
    """A record can't be used: the rule, why, and what to do."""

    def __init__(self, rule: str, reason: str, advice: str):
        super().__init__(reason)
        self.rule, self.reason, self.advice = rule, reason, advice


@dataclass
class Marc:
    """One parsed record.  `doubts` and `notes` are (rule, tag, value); a doubt makes the record doubtful."""

    fields: list[Field] = field(default_factory=list)
    number: str | None = None  # as the container tells it; 001 where it doesn't
    deleted: bool = False
    replaced: bool = False  # a value holds U+FFFD, though the text does not
    doubts: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    notes: list[tuple[str, str | None, str | None]] = field(default_factory=list)


Parse = Callable[[str], Marc]


def lines(blocks: Iterable[bytes]) -> Iterator[Unit]:
    """(offset, line without its end), without a byte order mark.  CR CR LF is one end.

    Of a line longer than `MAX_RECORD` only the beginning comes.
    """
    text, base, passed = b"", 0, False  # passed: the line at hand is too long and its beginning was given
    for block in chain(blocks, [None]):
        text += block or b""
        start = 0
        for line, end in _ended(text, block is None):
            if not passed:
                yield _line(base + start, line)
            start, passed = end, False
        if len(text) - start >= MAX_RECORD:
            if not passed:
                yield _line(base + start, text[start : start + MAX_RECORD])
            start, passed = len(text), True
        base, text = base + start, text[start:]
    if text:
        yield _line(base, text)


def _ended(text: bytes, final: bool) -> Iterator[tuple[bytes, int]]:
    """Each line that has an end, and the place behind that; CR at the end of `text` may be half of one."""
    start = 0
    *pieces, last = text.split(b"\n")
    for piece in pieces:
        end = start + len(piece) + 1
        if b"\r" in piece:
            piece = piece.rstrip(b"\r")
            *earlier, piece = piece.split(b"\r")
            for one in earlier:
                start += len(one) + 1
                yield one, start
        yield piece, end
        start = end
    for one in (last if final else last.rstrip(b"\r")).split(b"\r")[:-1]:
        start += len(one) + 1
        yield one, start


def _line(offset: int, line: bytes) -> Unit:
    skipped = 3 if line.startswith(codecs.BOM_UTF8) else 0
    return offset + skipped, line[skipped:]


def paragraph(collected: list[Unit]) -> Unit:
    """Lines as one record, its beginning where it is too long."""
    return collected[0][0], b"\n".join(line for _, line in collected)[:MAX_RECORD]


def looks_like_a_reader(tags: set[str]) -> bool:
    """Whether the tags are those of a person's record as Chinese systems export it: 200 is then the name."""
    return READER_NAME in tags and not tags & {"245", "801", "210", "690", "101"}


def dialect(tags: set[str], han: bool, hint: str) -> str:
    """marc21, cnmarc or unimarc, by the tags; the hint decides where they don't."""
    chinese = hint == "cnmarc" or han or bool(tags & {"690", "905", "906", "920"})
    other = "200" in tags and "245" not in tags
    if ("200" in tags) == ("245" in tags) and hint in ("cnmarc", "unimarc"):
        other = True
    return ("cnmarc" if chinese else "unimarc") if other else "marc21"


class _Decoder:
    """The charset of a file, as far as it is known, and of each record."""

    def __init__(self, hint: str):
        self.hint, self.known = charset.canonical(hint), ""
        self.usual, self.sure = charset.UTF_8, True

    def learn(self, contents: list[bytes]) -> None:
        """Find the charset of the file from records of it, unless it is known for sure."""
        if self.known:
            return
        told = [content for content in contents if _tells(content)][:SAMPLED_RECORDS]
        if not told:
            return
        found, sure = charset.judge(b"\n".join(told), self.hint)
        if found is None:
            votes = Counter(charset.judge(content, self.hint) for content in told)
            found, sure = max(votes, key=lambda vote: (vote[1], votes[vote]))
        if found in (None, charset.ASCII, charset.UTF_16):
            found, sure = charset.UTF_8, False
        self.usual, self.sure = str(found), sure
        self.known = self.usual if sure else ""

    def decode(self, content: bytes) -> tuple[str, str, list[str]]:
        """(text, charset, rules that make it doubtful).

        Raises:
            Refusal: it is in no known charset.
        """
        if not _tells(content):
            return content.decode(), self.usual, []
        used, sure = self.usual, self.sure
        escaped = bool(_MARC_8.search(content))
        if (used == charset.UTF_8) == (escaped or not _is_utf8(content)):
            used, sure = self._alone(content, used, sure)
        try:
            text, understood = _decoded(content, used)
        except UnicodeDecodeError:
            used, sure = self._alone(content, used, sure)
            try:
                text, understood = _decoded(content, used)
            except UnicodeDecodeError as error:
                raise Refusal(
                    UNDECODABLE,
                    f"its text is in no known charset; as {used} it fails at byte {error.start} of the record",
                    "give the encoding in the source's row, or export the record again as UTF-8",
                ) from None
        if used != charset.UTF_8:
            reading = charset.rate(used, text)
            sure = sure and (reading.characters < 4 or reading.rate >= 0.05)
        doubts = [] if sure else ["encoding-unsure"]
        if not understood or (escaped and used != charset.MARC_8):
            doubts.append("encoding-escape")
        return text, used, doubts

    def _alone(self, content: bytes, used: str, sure: bool) -> tuple[str, bool]:
        found, certain = charset.judge(content, used)
        if found in (None, charset.ASCII, charset.UTF_16):
            return used, sure
        return str(found), certain


def _tells(content: bytes) -> bool:
    return not content.isascii() or b"\x1b" in content


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(content: bytes, name: str) -> tuple[str, bool]:
    """The text, and whether all escapes were understood.  In MARC-8 each line starts anew."""
    if name != charset.MARC_8:
        return charset.decode(content, name), True
    parts = [charset.marc8(line) for line in content.split(b"\n")]
    return "\n".join(text for text, _ in parts), all(understood for _, understood in parts)


def read(
    stream: BinaryIO,
    units: Callable[[Iterable[bytes]], Iterator[Unit]],
    parse: Parse,
    format_hint: str,
    encoding_hint: str,
    first_record_no: int,
) -> Iterator[Chunk]:
    """The chunks of a stream.

    Args:
        stream: the file, decompressed; UTF-16 is read too.
        units: cuts pieces of bytes into records.
        parse: the fields of one record, from its text.
        format_hint: the source's format.
        encoding_hint: the source's encoding.
        first_record_no: number of the first record.
    """
    decoder = _Decoder(encoding_hint)
    head = stream.read(64)
    wide = Utf16(head, stream) if utf16(head) else None
    rest = cast(BinaryIO, wide) if wide else stream
    blocks = chain([] if wide else [head], iter(lambda: rest.read(READ), b""))
    if wide:
        decoder.known = charset.UTF_8
    number = first_record_no
    start = 2 - 2 * len(codecs.BOM_UTF8) if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else 0
    found = units(blocks)
    for batch in _batches(_originals(found, wide, start) if wide else ((o, c, c) for o, c in found)):
        decoder.learn([content for _, content, _ in batch])
        columns = Columns()
        for offset, content, received in batch:
            row = columns.record(number, offset, received, charset.UTF_16 if wide else decoder.usual, "marc21")
            number += 1
            try:
                _fill(columns, row, decoder, content, parse, format_hint)
            except Refusal as refusal:
                columns.reject(refusal.rule, refusal.reason, refusal.advice)
                if refusal.rule == UNDECODABLE or not decoder.known:
                    row["charset"] = charset.UNKNOWN
            if wide:
                row["charset"] = charset.UTF_16
        yield columns.chunk()


def _originals(units: Iterator[Unit], wide: Utf16, start: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Units of UTF-16 with their bytes and place as received.  Between records stand only ASCII characters."""
    passed, original = 0, start
    for offset, content in units:
        received = wide.original(content) if _is_utf8(content) else content
        original += 2 * (offset - passed)
        yield original, content, received
        passed, original = offset + len(content), original + len(received)


def _batches(units: Iterator[tuple[int, bytes, bytes]]) -> Iterator[list[tuple[int, bytes, bytes]]]:
    batch, size = [], 0
    for unit in units:
        batch.append(unit)
        size += len(unit[1])
        if len(batch) >= CHUNK_RECORDS or size >= CHUNK_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _fill(
    columns: Columns, row: dict[str, object], decoder: _Decoder, content: bytes, parse: Parse, hint: str
) -> None:
    """Decode and parse a record into the columns; what is refused leaves no fields."""
    if len(content) >= MAX_RECORD:
        raise Refusal(
            "text-too-long",
            f"no end of the record within {MAX_RECORD} bytes; only its beginning is kept with this row",
            "look whether record separators are missing, and export the file again",
        )
    text, row["charset"], doubts = decoder.decode(content)
    marc = parse(text)
    tags = {tag for tag, _, _, _ in marc.fields}
    row["format"] = dialect(tags, not text.isascii() and bool(_HAN.search(text)), hint)
    leader = next((subs[0][1] for tag, _, _, subs in marc.fields if tag == "LDR"), "")
    own = next((subs[0][1].strip() for tag, _, _, subs in marc.fields if tag == "001"), "")
    row["control_number"] = row["record_id"] = own or marc.number
    for rule in doubts:
        columns.note(rule)
    for rule, tag, value in (*marc.doubts, *marc.notes):
        columns.note(rule, "warn", tag, value)
    replaced = marc.replaced or "\ufffd" in text
    if replaced:
        columns.note("encoding-replacement")
    if not text.isascii():
        _note_label(columns, marc, leader, row["format"] == "marc21", str(row["charset"]))
    if looks_like_a_reader(tags):
        columns.note("possible-personal-data", "fail", "200")
    if doubts or marc.doubts or replaced:
        row["status"] = "doubtful"
    if marc.deleted or leader[5:6] == "d":
        row["status"] = "deleted"
    columns.add(marc.fields)


def _note_label(columns: Columns, marc: Marc, leader: str, marc21: bool, found: str) -> None:
    """Note where leader/09 or 100$a/26-29 say another charset than was found; a dump may lack either."""
    if marc21:
        tag, label = "LDR", leader[9:10]
    else:
        values = [
            value for name, _, _, pairs in marc.fields if name == "100" for code, value in pairs if code == "a"
        ]
        tag, label = "100", values[0][26:30] if values else ""
    if label and not charset.label_fits(found, marc21, label):
        columns.note("encoding-label", "warn", tag, label)
