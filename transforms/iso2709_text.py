"""The text of a chunk of ISO 2709 records: which charset each record is in, and its values as UTF-8."""

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms import charset, transcode
from transforms.arena import Memory
from transforms.iso2709_kernel import DELIMITER, ESCAPE, Marks
from transforms.iso2709_rows import (
    HAN,
    ID_ROW,
    NON_ASCII,
    NOT_UTF8,
    RECEIVED,
    REFUSED,
    UNIT_END,
    UNIT_START,
    Rows,
    copy_values,
)

CHARSETS = charset.CHARSETS
CODE_OF = {name: code for code, name in enumerate((*CHARSETS, charset.UNKNOWN))}
SAMPLED_RECORDS = 50
_BARE_EACC = re.compile(rb"\$1(?:[!-~]{3})+(?:\(B|[\x1d-\x1f])")
UNDECODED = 100  # in `refused`: the bytes are in no charset that is known
# Percent of likely characters below which a record is looked at by itself, and below which it stays unsure.  Of
# 5,000 Chinese records one in a hundred is below 60 in its own charset, none above 38 in the other; of Russian
# ones none below 80, of Chinese ones read as KOI8-R half above 29 and none above 68.
DOUBTED = {charset.GB18030: (60, 35), charset.BIG5: (60, 35), charset.KOI8_R: (75, 45)}
LEAD = 0.2  # by which another charset must rate higher than that of the file, if both can read a record
ESCAPED, UNSURE = 32, 64  # more bits of `text`: MARC-8 escapes left in a value; a reading that may be wrong


@dataclass
class Parsed:
    """One chunk between the kernels: arrays as `iso2709_rows` describes them."""

    buffer: NDArray[np.uint8]
    records: NDArray[np.int64]
    rows: Rows
    marks: Marks
    size: int  # bytes of `buffer` before its padding
    first: int  # number of the first record
    memory: Memory

    @property
    def count(self) -> int:
        """Number of records."""
        return self.records.shape[1] - 1

    def content(self, record: int) -> bytes:
        """The bytes of a record with its terminator, from its leader on."""
        return self._bytes(UNIT_START, record)

    def _bytes(self, begin: int, record: int) -> bytes:
        start, end = self.records[begin, record], self.records[UNIT_END, record]
        return self.buffer[start : min(end + 1, self.size)].tobytes()

    def contents(self) -> pa.Array:
        """The bytes of all records as received; without a copy where nothing stands between them."""
        starts = self.records[RECEIVED, :-1]
        ends = np.minimum(self.records[UNIT_END, :-1] + 1, self.size)
        if np.array_equal(starts[1:], ends[:-1]):
            offsets = np.append(starts, ends[-1]).astype(np.int32)
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.buffer)]
            return pa.Array.from_buffers(pa.binary(), self.count, buffers)
        return pa.array([self._bytes(RECEIVED, record) for record in range(self.count)], pa.binary())


@dataclass
class Text:
    """What `decode` found: per record its charset and `text` bits, per row its value."""

    charsets: NDArray[np.int8]  # by CODE_OF
    bits: NDArray[np.uint8]
    values: pa.Array
    failures: dict[int, tuple[str, int]] = field(default_factory=dict)  # record: charset tried, byte position


def decode(parsed: Parsed, known: str | None, hint: str) -> tuple[Text, str | None]:
    """Find the charset of each record and decode its values; also the charset of the file, once it is known.

    A record that can't be decoded is marked in `parsed.records[REFUSED]`; its rows are taken out.
    """
    rows, count = len(parsed.rows.record), parsed.count
    out = parsed.memory.take(parsed.size + 64, np.uint8)
    offsets = parsed.memory.take(rows + 1, np.int32)
    bits, special = np.zeros(count, np.uint8), parsed.memory.take(rows, np.uint8)
    odd = parsed.marks.odd
    size = copy_values(parsed.buffer, odd, parsed.rows, rows, parsed.first, out, offsets, bits, special)
    escaped, bare = _escaped(parsed)
    told = (bits & NON_ASCII > 0) | escaped
    usual, sure = known or charset.UTF_8, True
    if known is None and told.any():
        usual, sure = _of_file(parsed, np.flatnonzero(told), hint)
        known = usual if sure else None
    text = Text(np.full(count, CODE_OF[usual], np.int8), bits, None)
    if not sure:
        bits[told] |= UNSURE
    for record in _doubted(bits, escaped, usual):
        _decide(parsed, text, int(record), usual)
    if (text.charsets == CODE_OF[charset.UTF_8]).all():
        text.values = _strings(out[:size], offsets)
    else:
        _transcode(parsed, text, special)
    text.bits[escaped & (text.charsets != CODE_OF[charset.MARC_8])] |= ESCAPED
    text.bits[bare] |= ESCAPED
    if text.failures:
        _take_out(parsed, text)
    refused = parsed.records[REFUSED, :-1]
    text.charsets[(refused > 0) if known is None else (refused == UNDECODED)] = CODE_OF[charset.UNKNOWN]
    return text, known


def _strings(data: NDArray[np.uint8], offsets: NDArray[np.int32]) -> pa.Array:
    """Arrow strings over bytes that were validated."""
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def _escaped(parsed: Parsed) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which records hold an escape character; which hold MARC-8 sequences for Chinese that lost theirs.

    The latter are gibberish in ASCII: `$1`, triples of characters, `(B`.  A `$` behind a delimiter is a code.
    What stands between records is in none of them.
    """
    escaped, bare = np.zeros(parsed.count, bool), np.zeros(parsed.count, bool)
    records = np.searchsorted(parsed.records[UNIT_START, :-1], parsed.marks.escapes, "right") - 1
    within = (records >= 0) & (parsed.marks.escapes < parsed.records[UNIT_END, records])
    for position, record in zip(parsed.marks.escapes[within].tolist(), records[within].tolist(), strict=True):
        if parsed.buffer[position] == ESCAPE:
            escaped[record] = True
        elif parsed.buffer[position - 1] not in (ESCAPE, DELIMITER) and not bare[record]:
            bare[record] = bool(_BARE_EACC.match(parsed.buffer[position : position + 400].tobytes()))
    return escaped, bare


def _of_file(parsed: Parsed, telling: NDArray[np.int64], hint: str) -> tuple[str, bool]:
    """The charset of a file, from the first records that tell, and whether it is sure.

    If no charset reads them all, it is the one that most of them are in by themselves.
    """
    contents = [parsed.content(record) for record in telling[:SAMPLED_RECORDS].tolist()]
    found, sure = charset.judge(b"\x1d".join(contents), hint)
    if found is None:
        votes = Counter(charset.judge(content, hint) for content in contents)
        found, sure = max(votes, key=lambda vote: (vote[1], votes[vote]))
    if found in (None, charset.ASCII, charset.UTF_16):
        return charset.UTF_8, False
    return found, sure


def _doubted(bits: NDArray[np.uint8], escaped: NDArray[np.bool_], usual: str) -> NDArray[np.int64]:
    """The records whose bytes speak against the charset of the file, or for another one."""
    other = bits & NON_ASCII > 0
    valid = bits & NOT_UTF8 == 0
    if usual == charset.UTF_8:
        return np.flatnonzero(~valid | escaped)
    return np.flatnonzero(other & valid)


def _decide(parsed: Parsed, text: Text, record: int, usual: str, readable: bool = False) -> bool:
    """Find the charset of one record from its own bytes; False if it stays as it was.

    A record that is `readable` in the charset of its file leaves that only for one that is clearly likelier: a
    few Chinese characters are often fair Russian too.
    """
    found, sure = charset.judge(parsed.content(record), usual)
    before = CHARSETS[text.charsets[record]]
    stays = found in (None, charset.ASCII, charset.UTF_16, before)
    if readable and not stays:
        rates = {reading.charset: reading.rate for reading in charset.readings(parsed.content(record), usual)}
        stays = rates.get(str(found), 0.0) - rates.get(usual, 0.0) < LEAD
    # a judgement passes over a stray bad value; the record must not
    if (before if stays else found) == charset.UTF_8 and text.bits[record] & NOT_UTF8:
        text.failures[record] = (charset.UTF_8, -1)
        return False
    if stays:
        return False
    assert found is not None
    text.charsets[record] = CODE_OF[found]
    if not sure:
        text.bits[record] |= UNSURE
    return True


def _transcode(parsed: Parsed, text: Text, special: NDArray[np.uint8]) -> None:
    """Decode all values; where a record fails or reads oddly, look at it alone and decode once more."""
    for attempt in (1, 2):
        told_numbers, failed_at, unsure = _attempt(parsed, text, special)
        if attempt == 1:
            changed = False
            for record in {*_unlikely(text, told_numbers, 0), *failed_at}:
                if record not in text.failures:
                    usual = CHARSETS[text.charsets[record]]
                    changed |= _decide(parsed, text, record, usual, readable=record not in failed_at)
            if not changed:
                break
    for record, position in failed_at.items():
        text.failures[record] = (CHARSETS[text.charsets[record]], position)
    text.bits[_unlikely(text, told_numbers, 1)] |= UNSURE
    text.bits[list(unsure)] |= UNSURE
    for name in (charset.GB18030, charset.BIG5):
        text.bits[(text.charsets == CODE_OF[name]) & (text.bits & NON_ASCII > 0)] |= HAN


def _unlikely(text: Text, told_numbers: NDArray[np.int64], which: int) -> list[int]:
    """The records whose characters are less likely in their charset than the bound says, if they are enough."""
    low = np.zeros(len(text.charsets), bool)
    for name, bounds in DOUBTED.items():
        low |= (text.charsets == CODE_OF[name]) & (told_numbers[2] < bounds[which] * told_numbers[1])
    return np.flatnonzero(low & (told_numbers[1] >= 4)).tolist()


def _attempt(
    parsed: Parsed, text: Text, special: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], dict[int, int], set[int]]:
    """One go at all values: what the kernel told, where records failed, and which are unsure."""
    count = parsed.count
    action, which = np.zeros(count, np.uint8), np.zeros(count, np.int64)
    for number, name in enumerate(transcode.TABLED):
        chosen = text.charsets == CODE_OF[name]
        action[chosen], which[chosen] = transcode.BY_TABLE, number
    action[text.charsets == CODE_OF[charset.MARC_8]] = transcode.DECODED
    decoded, decoded_offsets, failed_at, unsure = _marc8(parsed, special, action == transcode.DECODED)
    rows = len(parsed.rows.record)
    out = parsed.memory.take(3 * parsed.size + len(decoded) + 64, np.uint8)
    offsets = parsed.memory.take(rows + 1, np.int32)
    told = np.empty((3, count), np.int64)
    size = transcode.transcode(
        parsed.buffer,
        parsed.rows,
        rows,
        parsed.first,
        special,
        action,
        which,
        transcode.tables(),
        decoded,
        decoded_offsets,
        out,
        offsets,
        told,
    )
    text.values = _strings(out[:size], offsets)
    failed = np.flatnonzero(told[0] >= 0)
    failed_at |= dict(zip(failed.tolist(), told[0, failed].tolist(), strict=True))
    return told, failed_at, unsure


def _marc8(
    parsed: Parsed, special: NDArray[np.uint8], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], dict[int, int], set[int]]:
    """Decode, one by one, the values of MARC-8 records that are not plain ASCII."""
    values: list[bytes] = []
    failed_at: dict[int, int] = {}
    unsure: set[int] = set()
    texts: dict[int, list[str]] = {}
    record_of = parsed.rows.record - parsed.first
    for row in np.flatnonzero((special > 0) & chosen[record_of]).tolist() if chosen.any() else []:
        start, end, record = parsed.rows.start[row], parsed.rows.end[row], int(record_of[row])
        value, understood = "", True
        try:
            value, understood = charset.marc8(parsed.buffer[start:end].tobytes())
        except UnicodeDecodeError as error:
            failed_at.setdefault(record, int(start) + error.start)
        if not understood:
            unsure.add(record)
        texts.setdefault(record, []).append(value)
        values.append(value.encode())
    for record, parts in texts.items():
        reading = charset.rate(charset.MARC_8, "\n".join(parts))
        # a leader that says Unicode is no proof, but a reason to ask for more than one likely character
        unicode = parsed.buffer[parsed.records[UNIT_START, record] + 9] == ord("a")
        weak = reading.rate < charset.SURE or reading.characters < 4
        if reading.characters and (reading.rate < charset.LIKELY or (unicode and weak)):
            unsure.add(record)
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    return np.frombuffer(b"".join(values) or b"\0", np.uint8), offsets, failed_at, unsure


def _take_out(parsed: Parsed, text: Text) -> None:
    """Remove the rows of the records that failed, and refuse them."""
    failed = np.zeros(parsed.count, bool)
    failed[list(text.failures)] = True
    parsed.records[REFUSED, :-1][failed] = UNDECODED
    keep = ~failed[parsed.rows.record - parsed.first]
    at = np.append(np.cumsum(keep) - 1, -1)
    ids = parsed.records[ID_ROW, :-1]
    parsed.records[ID_ROW, :-1] = np.where(failed | (ids < 0), -1, at[ids])
    parsed.rows = Rows._make(column[keep] for column in parsed.rows)
    text.values = text.values.filter(pa.array(keep))
