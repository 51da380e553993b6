"""Staged records written again: as ISO 2709 or MARCXML, in UTF-8 or GB18030.

A record that came in clean goes out byte for byte, except for what says how long and how it is encoded: leader
0-4 and 12-16 are computed, and leader 9 of MARC 21 says `a` where the text is Unicode.  In CNMARC and UNIMARC that
place means nothing, so an `a` there goes only where it would be believed wrongly, in GB18030.  100$a/26-29 is
data; it is made to say the encoding written where it says another and the record came in another.  Records are
joined to text as whole columns and encoded at once, since the bytes 1D, 1E and 1F occur in no character of either
encoding.

A record that is too long for ISO 2709 is split as the Platform for Open Data (POD) splits them (see
`transforms.overlong`).  POD repeats only the 001; here every part repeats the description too, so that each can be
read by itself, and only holdings and items (85X to 87X without 856, 89X, 9XX, letters) are dealt out.  A
description that is itself too long is dealt out as POD does.  What can't be written is refused with its reason
and never changed to fit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from harvesters import registry
from schemas.staged import STAGED_RECORD
from transforms.charset import label_fits
from transforms.overlong import ENTRY, MAX_FIELD, MAX_RECORD, is_holding
from warehouse import lake
from warehouse.progress import Progress

ENCODINGS = ("utf-8", "gb18030")
NOT_MARC = ("oai_dc", "loans")
BATCH_ROWS = 1 << 18
SHOWN = 20  # refused or split records named one by one
_LABELS = {"utf-8": "50  ", "gb18030": "0110"}  # 100$a/26-29: ISO 10646; ISO 646 with GB 2312
_DEFAULT_LEADER = "00000nam  2200000   450 "
_MARC_CONTROLS = "[\x1d-\x1f]"
_XML_CONTROLS = r"[^\x{9}\x{A}\x{D}\x{20}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]"
_XML_HEAD = '<?xml version="1.0" encoding="{}"?>\n<collection xmlns="http://www.loc.gov/MARC21/slim">\n'
XML_FOOT = "</collection>\n"


class ExportError(Exception):
    """Nothing can be exported as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Written:
    """One record as bytes; `parts` is more than 1 for a split one, and 0 with the reason in `refused`."""

    record_id: str
    content: bytes
    parts: int = 1
    refused: str = ""


def export(source_ids: Iterable[str], out: Path, form: str = "iso2709", encoding: str = "utf-8") -> dict[str, Any]:
    """Write the current records of sources (all with MARC records, where none is named) into one file.

    The file takes the place of `out` in one step, when it is complete.

    Returns:
        file, form, encoding, bytes, records (current ones), written, split (how many became several), refused
        (how many couldn't be written), and `problems`: the first of these, with source, record and reason.

    Raises:
        ExportError: the form or encoding is not known, a source named sends no MARC, or nothing is staged.
        RegistryError: a source is not in the registry.
    """
    if form not in ("iso2709", "marcxml") or encoding not in ENCODINGS:
        raise ExportError(f"can't write {form} in {encoding}: iso2709 or marcxml, in {' or '.join(ENCODINGS)}")
    named = list(source_ids)
    sources = registry.load().chosen(named)
    if named and (other := [source for source in sources if source.format in NOT_MARC]):
        raise ExportError(f"{other[0].source_id} sends {other[0].format}, which is no MARC; name other sources")
    staged = [s.source_id for s in sources if s.format not in NOT_MARC and lake.staged_batches(s.source_id)]
    if not staged:
        raise ExportError("nothing is staged yet for these sources; run `calis stage` first")
    told: dict[str, Any] = {"file": str(out), "form": form, "encoding": encoding, "bytes": 0}
    told |= {"records": 0, "written": 0, "split": 0, "refused": 0, "problems": []}
    out.parent.mkdir(parents=True, exist_ok=True)
    with lake.replacing_file(out) as scratch, scratch.open("wb") as file:
        if form == "marcxml":
            file.write(xml_head(encoding))
        for source_id in staged:
            with Progress(f"export {source_id}", "records") as progress:
                for fields in current_fields(source_id):
                    progress.advance(write_some(fields, source_id, form, encoding, file, told))
        if form == "marcxml":
            file.write(XML_FOOT.encode())
        told["bytes"] = file.tell()
    return told


def xml_head(encoding: str) -> bytes:
    """How a MARCXML file begins; it ends with XML_FOOT."""
    return _XML_HEAD.format(encoding.upper()).encode()


def write_some(fields: pa.Table, source_id: str, form: str, encoding: str, file: Any, told: dict[str, Any]) -> int:
    """Write some records and count them; returns how many there were."""
    count = 0
    for written in records(fields, form, encoding):
        count += 1
        file.write(written.content)
        told["written"] += written.parts > 0
        told["split"] += written.parts > 1
        told["refused"] += written.parts == 0
        if written.parts != 1 and len(told["problems"]) < SHOWN:
            what = written.refused or f"longer than {MAX_RECORD:,} bytes: written as {written.parts} records"
            told["problems"].append({"source_id": source_id, "record_id": written.record_id, "reason": what})
    told["records"] += count
    return count


def current_fields(source_id: str) -> Iterator[pa.Table]:
    """The `staged.field` rows of a source's current records and their `charset`, whole records, some at a time."""
    batches = lake.staged_batches(source_id)
    index = lake.read_table(
        STAGED_RECORD.full_name, [lake.staged_batch(source_id, batches[-1]) / "record.parquet"]
    )
    index = index.filter(pc.invert(index["deleted"]))
    for batch_id in pc.unique(index["batch_id"]).sort().to_pylist():
        numbers = index.filter(pc.equal(index["batch_id"], batch_id))["record_no"].combine_chunks()
        folder, rest = lake.staged_batch(source_id, batch_id), list[pa.Table]()
        bib = pq.read_table(folder / "bib.parquet", columns=["record_no", "charset"])
        with pq.ParquetFile(folder / "field.parquet") as file:
            for batch in file.iter_batches(BATCH_ROWS):
                rows = pa.Table.from_batches([batch])
                of_bib = pc.index_in(rows["record_no"], bib["record_no"])
                rows = rows.append_column("charset", bib["charset"].take(of_bib))
                rest.append(rows.filter(pc.is_in(rows["record_no"], numbers)))
                # the last record may go on in the next batch
                last = batch["record_no"][-1].as_py()
                whole = pa.concat_tables(rest)
                done = pc.less(whole["record_no"], last)
                yield whole.filter(done)
                rest = [whole.filter(pc.invert(done))]
        if rest:
            yield rest[0]


def records(fields: pa.Table, form: str = "iso2709", encoding: str = "utf-8") -> Iterator[Written]:
    """Each record of a table of `staged.field` rows (whole records, in order), as `form` in `encoding`.

    A column `charset` may say what each came in, null that it is none that matters; else it is taken for UTF-8.
    """
    if not len(fields):
        return
    rows = _Rows(fields)
    refused = _refusals(rows, form)
    write = _iso2709 if form == "iso2709" else _marcxml
    if refused:
        keep = np.ones(rows.count, bool)
        keep[list(refused)] = False
        kept = _Rows(fields.filter(pa.array(keep[rows.record]))) if keep.any() else None
        good = write(kept, encoding) if kept else iter(())
        for record, record_id in enumerate(rows.record_ids):
            yield Written(record_id, b"", 0, refused[record]) if record in refused else next(good)
    else:
        yield from write(rows, encoding)


class _Rows:
    """`staged.field` rows as arrays: `record` and `field` count from 0; `first` and `last` row of each field."""

    def __init__(self, fields: pa.Table):
        columns = {name: _text(fields[name]) for name in ("tag", "ind1", "ind2", "code", "value")}
        self.tag, self.ind1, self.ind2 = columns["tag"], columns["ind1"], columns["ind2"]
        self.code, self.value = columns["code"], columns["value"]
        keys = [name for name in ("source_id", "batch_id", "record_no") if name in fields.column_names]
        new = np.zeros(len(fields), bool)
        new[0] = True
        for name in keys:
            indices = _text(fields[name]).dictionary_encode().indices.to_numpy()
            new[1:] |= np.diff(indices) != 0
        self.record = np.cumsum(new) - 1
        self.starts = np.flatnonzero(new)
        self.count = len(self.starts)
        new[1:] |= np.diff(fields["field_no"].to_numpy()) != 0
        self.first, self.last = new, np.append(new[1:], True)
        self.is_leader = pc.equal(self.tag, "LDR").to_numpy(zero_copy_only=False)
        self.marc21 = np.zeros(self.count, bool)
        self.marc21[self.record[pc.equal(self.tag, "245").to_numpy(zero_copy_only=False)]] = True
        self.charset = fields["charset"] if "charset" in fields.column_names else None
        named = fields["record_id"] if "record_id" in fields.column_names else fields["record_no"]
        self.record_ids = [str(value) for value in named.take(pa.array(self.starts)).to_pylist()]

    def leaders(self, encoding: str) -> list[str]:
        """The leader of each record, 24 characters, its 9 saying how MARC 21 is encoded."""
        leaders = [_DEFAULT_LEADER] * self.count
        found = np.flatnonzero(self.is_leader)
        for record, value in zip(self.record[found], self.value.take(pa.array(found)).to_pylist(), strict=True):
            leaders[record] = value[:24].ljust(24)
        unicode = encoding == "utf-8"
        coding = "a" if unicode else " "
        return [
            leader[:9] + coding + leader[10:] if is_marc21 or (leader[9] == "a" and not unicode) else leader
            for leader, is_marc21 in zip(leaders, self.marc21.tolist(), strict=True)
        ]

    def labelled(self, encoding: str) -> pa.Array:
        """The values; 100$a/26-29 of CNMARC and UNIMARC true where a record came in another encoding."""
        there = pc.fill_null(pc.and_(pc.equal(self.tag, "100"), pc.equal(self.code, "a")), False)
        rows = np.flatnonzero(there.to_numpy(zero_copy_only=False) & ~self.marc21[self.record])
        came = ["utf-8"] * len(rows) if self.charset is None else self.charset.take(pa.array(rows)).to_pylist()
        values = self.value.take(pa.array(rows)).to_pylist()
        wrong = [
            name != encoding and value[26:30].strip(" #|") != "" and not label_fits(encoding, False, value[26:30])
            for name, value in zip(came, values, strict=True)
        ]
        if not any(wrong):
            return self.value
        mask = np.zeros(len(self.value), bool)
        mask[rows[wrong]] = True
        made = [f"{v[:26]}{_LABELS[encoding]}{v[30:]}" for v, bad in zip(values, wrong, strict=True) if bad]
        return pc.replace_with_mask(self.value, pa.array(mask), pa.array(made, pa.string()))


def _text(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    return array.cast(pa.string()) if pa.types.is_dictionary(array.type) else array


def _refusals(rows: _Rows, form: str) -> dict[int, str]:
    """Which records can't be written in this form, and why."""
    refused: dict[int, str] = {}
    odd = pc.invert(pc.match_substring_regex(rows.tag, "^[!-~]{3}$")).to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(odd):
        refused.setdefault(int(rows.record[row]), f"{rows.tag[row].as_py()!r} is no MARC tag of three characters")
    controls = _MARC_CONTROLS if form == "iso2709" else _XML_CONTROLS
    where = "mend it at the source, or export in the other form"
    for column in (rows.value, rows.code, rows.ind1, rows.ind2):
        held = pc.fill_null(pc.match_substring_regex(column, controls), False).to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(held):
            place = f"{rows.tag[row].as_py()}${rows.code[row].as_py() or ''}"
            reason = f"{place} holds a control character that {form} can't: {column[row].as_py()!r:.60}; {where}"
            refused.setdefault(int(rows.record[row]), reason)
    return refused


def _joined(*parts: Any) -> pa.Array:
    """Strings joined row by row; a part is an array, null counting as empty, or a text and where it stands."""
    columns = []
    for part in parts:
        text, where = part if isinstance(part, tuple) else (part, None)
        column = pa.scalar(text) if isinstance(text, str) else pc.fill_null(text, "")
        columns.append(column if where is None else pc.if_else(pa.array(where), column, ""))
    return pc.binary_join_element_wise(*columns, "")


def _bytes(texts: pa.Array) -> memoryview:
    """All texts of an array behind each other, as UTF-8."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    return memoryview(data)[offsets[0] : offsets[-1]] if data else memoryview(b"")


# --- ISO 2709 --------------------------------------------------------------------------------------------


def _iso2709(rows: _Rows, encoding: str) -> Iterator[Written]:
    coded = pc.is_valid(rows.code).to_numpy(zero_copy_only=False)
    body = ~rows.is_leader
    first, last = rows.first & body, rows.last & body
    texts = _joined(
        (rows.ind1, first), (rows.ind2, first), ("\x1f", coded & body),
        (rows.code, body), (rows.labelled(encoding), body), ("\x1e", last),
    )  # fmt: skip
    data = bytes(_bytes(texts))
    if encoding != "utf-8":
        data = data.decode("utf-8").encode(encoding)
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 0x1E) + 1
    per_record = np.bincount(rows.record[first], minlength=rows.count)
    of_record = np.concatenate([[0], np.cumsum(per_record)])
    starts = np.concatenate([[0], ends])[: len(ends)]
    at = np.concatenate([[0], ends])[of_record]
    tags = rows.tag.take(pa.array(np.flatnonzero(first)))
    lengths = ends - starts
    directory = _directory(tags, lengths, starts - np.repeat(at[:-1], per_record)).tobytes()
    leaders = rows.leaders(encoding)
    too_long = np.zeros(rows.count, bool)
    too_long[np.repeat(np.arange(rows.count), per_record)[lengths > MAX_FIELD]] = True
    for record, leader in enumerate(leaders):
        low, high = of_record[record], of_record[record + 1]
        entries, content = directory[12 * low : 12 * high], data[at[record] : at[record + 1]]
        if too_long[record] or 26 + len(entries) + len(content) > MAX_RECORD:
            fields = [(tags[i].as_py(), data[starts[i] : ends[i]]) for i in range(low, high)]
            yield _split(rows.record_ids[record], leader, fields, encoding)
        else:
            yield Written(rows.record_ids[record], _whole(leader, entries, content, encoding))


def _whole(leader: str, entries: bytes, content: bytes, encoding: str) -> bytes:
    """One ISO 2709 record; lengths are computed, and the structure that they mean is stated."""
    base = 25 + len(entries)
    head = f"{base + len(content) + 1:05d}{leader[5:10]}22{base:05d}{leader[17:20]}450{leader[23]}"
    return head.encode(encoding) + entries + b"\x1e" + content + b"\x1d"


def _directory(tags: pa.Array, lengths: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The directory entries of fields, 12 bytes a row; numbers that don't fit show wrong digits."""
    entries = np.empty((len(tags), 12), np.uint8)
    entries[:, :3] = np.frombuffer(_bytes(tags), np.uint8).reshape(-1, 3)
    for column in range(4):
        entries[:, 3 + column] = lengths // 10 ** (3 - column) % 10 + ord("0")
    for column in range(5):
        entries[:, 7 + column] = starts // 10 ** (4 - column) % 10 + ord("0")
    return entries


def _split(record_id: str, leader: str, fields: list[tuple[str, bytes]], encoding: str) -> Written:
    """An over-long record as several with the same 001, and the same description where that fits."""
    for tag, content in fields:
        if len(content) > MAX_FIELD:
            reason = f"field {tag} has {len(content):,} bytes, ISO 2709 holds {MAX_FIELD:,}"
            return Written(record_id, b"", 0, f"{reason}; shorten it, or export as marcxml")
    dealt = [field for field in fields if is_holding(field[0])]
    common = [field for field in fields if not is_holding(field[0])]
    if _size(common) + max((_size([field]) for field in dealt), default=0) > MAX_RECORD:
        common = [field for field in fields if field[0] == "001"]
        dealt = [field for field in fields if field[0] != "001"]
    parts, taken = [list(common)], _size(common)
    for tag, content in dealt:
        need = ENTRY + len(content)
        if taken + need > MAX_RECORD:
            parts.append(list(common))
            taken = _size(common)
        taken += need
        parts[-1].append((tag, content))
    return Written(record_id, b"".join(_record(leader, part, encoding) for part in parts), len(parts))


def _size(fields: list[tuple[str, bytes]]) -> int:
    """Bytes of a record with these fields."""
    return 26 + sum(12 + len(content) for _, content in fields)


def _record(leader: str, fields: list[tuple[str, bytes]], encoding: str) -> bytes:
    lengths = np.array([len(content) for _, content in fields], np.int64)
    tags = pa.array([tag for tag, _ in fields], pa.string())
    entries = _directory(tags, lengths, np.cumsum(lengths) - lengths).tobytes()
    return _whole(leader, entries, b"".join(content for _, content in fields), encoding)


# --- MARCXML ---------------------------------------------------------------------------------------------


def _escaped(values: pa.Array) -> pa.Array:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\r", "&#13;")):
        values = pc.replace_substring(values, character, entity)
    return values


def _marcxml(rows: _Rows, encoding: str) -> Iterator[Written]:
    values = rows.labelled("utf-8")  # a document is Unicode whatever its bytes are
    found = np.flatnonzero(rows.is_leader)
    leaders = rows.leaders("utf-8")
    if len(found):
        changed = pa.array([leaders[record] for record in rows.record[found]], pa.string())
        values = pc.replace_with_mask(values, pa.array(rows.is_leader), changed)
    coded = pc.is_valid(rows.ind1).to_numpy(zero_copy_only=False) | pc.is_valid(rows.code).to_numpy(
        zero_copy_only=False
    )
    control = ~coded & ~rows.is_leader
    opening = rows.first & coded
    begin = np.zeros(len(rows.record), bool)
    begin[rows.starts] = True
    end = np.append(begin[1:], True)
    texts = _joined(
        ("<record>\n", begin),
        ("  <leader>", rows.is_leader),
        ('  <controlfield tag="', control), (_escaped(rows.tag), control), ('">', control),
        ('  <datafield tag="', opening), (_escaped(rows.tag), opening),
        ('" ind1="', opening), (_escaped(rows.ind1), opening),
        ('" ind2="', opening), (_escaped(rows.ind2), opening), ('">\n', opening),
        ('    <subfield code="', coded), (_escaped(rows.code), coded), ('">', coded),
        _escaped(values),
        ("</leader>\n", rows.is_leader), ("</controlfield>\n", control), ("</subfield>\n", coded),
        ("  </datafield>\n", rows.last & coded),
        ("</record>\n", end),
    )  # fmt: skip
    data = _bytes(texts)
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    cuts = np.append(offsets[rows.starts], offsets[-1]) - offsets[0]
    for record, record_id in enumerate(rows.record_ids):
        content = bytes(data[cuts[record] : cuts[record + 1]])
        if encoding != "utf-8":
            content = content.decode("utf-8").encode(encoding)
        yield Written(record_id, content)
