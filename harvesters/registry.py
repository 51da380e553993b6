"""The registry: which members there are and which feeds they have.

Two CSV files (UTF-8, with a header) in `lake.registry()`; adding a library or a feed is one line.  Every
fault in them is found at once and named by file, line and column; nothing runs on a bad registry.
"""

import codecs
import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pyarrow as pa
from croniter import croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from harvesters import protocols
from harvesters.private import ALLOW, allows_private, is_private
from harvesters.protocols import NO_SECRETS, SECRET
from schemas.catalog import CATALOG_MEMBER
from warehouse import lake

PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82".split()
)
CODE = r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$"
RESERVED = ("all", "any")  # "all" names the outcomes of every source together


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _quirks(value: object) -> object:
    """Read `name=value;name=value` as a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(";") if part.strip()]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise ValueError(f"write quirks as name=value;name=value (no '=' in {bad[0].strip()!r})")
    names = [name.strip() for name, _, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{twice[0]!r} is given twice")
    if secret := [name for name in names if SECRET.search(name)]:
        raise ValueError(f"{NO_SECRETS}: take {secret[0]!r} out")
    return {name.strip(): text.strip() for name, _, text in pairs}


def _encoding(value: str) -> str:
    if value not in ("auto", "marc8", "marc-8"):
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError("no such encoding; write auto, marc8, or a name such as utf-8 or gb18030") from None
    return value


def _schedule(value: str) -> str:
    if value != "@never" and not croniter.is_valid(value):
        raise ValueError("write a cron expression, or @hourly, @daily, @weekly, @monthly, @never")
    return value


def _protocol(value: str) -> str:
    if value not in protocols.BY_NAME:
        raise ValueError(f"no such protocol; write one of {', '.join(protocols.BY_NAME)}")
    return value


def _province(value: str) -> str:
    if value not in PROVINCES:
        raise ValueError("no GB/T 2260 province (two digits)")
    return value


def _listed(value: object) -> object:
    """Read `one;two` as a list."""
    return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
OptionalDate = Annotated[date | None, BeforeValidator(_empty_is_none)]


class Member(BaseModel):
    """One member library, as of a period; a member whose data changed has several rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str = Field(pattern=CODE)
    name_zh: str = Field(min_length=1)
    name_en: str = Field(min_length=1)
    moe_code: Annotated[OptionalText, Field(pattern=r"^\d{5}(\d{5})?$")] = None
    kind: Literal["undergraduate", "vocational", "research", "public", "other"]
    province: Annotated[str, AfterValidator(_province)]
    regional_centre: OptionalText = None
    centres: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()  # national centres and domains
    valid_from: date
    valid_to: OptionalDate = None

    @field_validator("valid_to")
    @classmethod
    def _check_period(cls, valid_to: date | None, info: ValidationInfo) -> date | None:
        valid_from = info.data.get("valid_from")
        if valid_to and valid_from and valid_to < valid_from:
            raise ValueError(f"is before valid_from {valid_from}")
        return valid_to


class Source(BaseModel):
    """One feed of a member.  What differs between feeds is data here; code exists per protocol and format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_id: str = Field(pattern=CODE)
    member_code: str = Field(pattern=CODE)
    protocol: Annotated[str, AfterValidator(_protocol)]
    address: str = Field(min_length=1)
    metadata_prefix: OptionalText = Field(default=None, validate_default=True)
    set_spec: OptionalText = None
    format: Literal[
        "auto", "marc21", "cnmarc", "unimarc", "oai_dc", "qdc", "mods", "dim", "xoai", "oai_doaj",
        "loans", "items", "population", "ill", "ppv", "ebook_loans", "counter", "kbart", "rental",
        "costs",
    ] = "auto"  # fmt: skip
    encoding: Annotated[str, AfterValidator(_encoding)] = "auto"
    holdings: OptionalText = None
    delivery: Literal["full", "delta"] = "delta"
    schedule: Annotated[str, AfterValidator(_schedule)] = "@daily"
    max_megabytes: int = Field(default=2048, gt=0)
    quirks: Annotated[dict[str, str], BeforeValidator(_quirks), Field(validate_default=True)] = {}

    @property
    def host(self) -> str | None:
        """Host and port that it is asked at; None for a folder."""
        return urlsplit(self.address).netloc.rpartition("@")[2] or None if "://" in self.address else None

    @field_validator("source_id")
    @classmethod
    def _check_id(cls, source_id: str) -> str:
        if source_id.lower() in RESERVED:
            raise ValueError(f"{source_id!r} has a meaning of its own; choose another")
        return source_id

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str, info: ValidationInfo) -> str:
        if "protocol" in info.data:
            protocols.BY_NAME[info.data["protocol"]].check(address)
        return address

    @field_validator("quirks")
    @classmethod
    def _check_quirks(cls, quirks: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        if "protocol" in info.data:
            protocols.check_quirks(info.data["protocol"], quirks)
        return quirks

    @field_validator("quirks")
    @classmethod
    def _check_private(cls, quirks: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        host = urlsplit(quirks.get("endpoint") or info.data.get("address", "")).hostname
        if host and is_private(host) and not allows_private(quirks):
            raise ValueError(f"the address is of this machine or a private network; if that is right, add {ALLOW}")
        return quirks

    @field_validator("metadata_prefix")
    @classmethod
    def _check_prefix(cls, prefix: str | None, info: ValidationInfo) -> str | None:
        protocol = protocols.BY_NAME.get(info.data.get("protocol", ""))
        if protocol and protocol.prefix_needed and not prefix:
            raise ValueError(protocol.prefix_needed)
        return prefix


@dataclass(frozen=True)
class Fault:
    """One fault of a registry file; the header is line 1."""

    file: str
    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, column {self.column}: {self.message}"


class RegistryError(Exception):
    """The registry can't be used; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: list[Fault]):
        self.faults = faults
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{len(faults)} fault(s) in the registry; mend them and run again:\n{lines}")


@dataclass(frozen=True)
class Registry:
    """All members and sources, checked."""

    members: tuple[Member, ...]
    sources: tuple[Source, ...]

    @property
    def member_codes(self) -> dict[str, str]:
        """The member of each source."""
        return {source.source_id: source.member_code for source in self.sources}

    def source(self, source_id: str) -> Source:
        """The source of that id.

        Raises:
            KeyError: there is none.
        """
        for source in self.sources:
            if source.source_id == source_id:
                return source
        raise KeyError(f"no source {source_id!r} in sources.csv; known: {[s.source_id for s in self.sources]}")

    def chosen(self, source_ids: Iterable[str], member_codes: Iterable[str] = ()) -> tuple[Source, ...]:
        """The sources named and those of the members named, in the registry's order; all of them where none is.

        Raises:
            KeyError: there is no source of a name, or no member.
        """
        wanted = {self.source(name).source_id for name in source_ids}
        codes = set(member_codes)
        if unknown := sorted(codes - {member.code for member in self.members}):
            raise KeyError(f"no member {unknown[0]!r} in members.csv")
        if not wanted and not codes:
            return self.sources
        return tuple(s for s in self.sources if s.source_id in wanted or s.member_code in codes)

    def member_table(self) -> pa.Table:
        """The members as `catalog.member`."""
        rows = [{"member_code": m.code, **m.model_dump(exclude={"code"})} for m in self.members]
        return pa.Table.from_pylist(rows, schema=CATALOG_MEMBER.schema)


@dataclass
class _Row:
    """One row of a file: its first line, its values, and the model where it is right."""

    line: int
    values: dict[str, str]
    model: Any = None


def _rows(path: Path, model: type[BaseModel], faults: list[Fault]) -> list[_Row]:
    """Read one file; its faults are collected, and rows that have any are without a model."""
    if not path.exists():
        faults.append(Fault(path.name, 1, "-", f"no such file in {path.parent}; `calis sample` makes an example"))
        return []
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.append(Fault(path.name, 1, "-", f"not UTF-8 (byte {error.start}); save it as UTF-8"))
        return []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[_Row] = []
    line = 1
    try:
        header = [name.strip() for name in next(reader, [])]
        faults += _header_faults(path.name, header, model)
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(header):
                said = f"has {len(cells)} values, but the header has {len(header)} columns"
                faults.append(Fault(path.name, line, "-", said))
            elif cells and not any(cell.strip() for cell in cells):
                faults.append(Fault(path.name, line, "-", "the row is empty; take it out"))
            elif cells:
                values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
                rows.append(_Row(line, values, _model(path.name, line, values, model, faults)))
            line = reader.line_num + 1
    except csv.Error as error:
        faults.append(Fault(path.name, line, "-", f"not readable as CSV from here on: {error}"))
    return rows


def _header_faults(file: str, header: list[str], model: type[BaseModel]) -> Iterable[Fault]:
    for name in dict.fromkeys(header):
        if name not in model.model_fields:
            yield Fault(file, 1, name or "-", f"unknown column; known: {', '.join(model.model_fields)}")
        elif header.count(name) > 1:
            yield Fault(file, 1, name, "the column stands there twice")
    for name, info in model.model_fields.items():
        if info.is_required() and name not in header:
            yield Fault(file, 1, name, "column is missing")


def _model(
    file: str, line: int, values: dict[str, str], model: type[BaseModel], faults: list[Fault]
) -> BaseModel | None:
    fields = model.model_fields
    given = {n: v for n, v in values.items() if n in fields and (v != "" or fields[n].is_required())}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        for problem in error.errors():
            column = str(problem["loc"][0]) if problem["loc"] else "-"
            if problem["type"] == "missing":
                continue  # told once, of the header
            message = problem["msg"].removeprefix("Value error, ")
            shown = f" (found {_safe(values[column])})" if values.get(column) else ""
            faults.append(Fault(file, line, column, message + shown))
        return None


def _safe(value: str) -> str:
    """A value as an error may show it."""
    if "@" in value or SECRET.search(value):
        return "not shown: it may hold a secret"
    value = value.split("?")[0]
    return repr(value if len(value) <= 80 else value[:79] + "…")


def _repeated(file: str, rows: list[_Row], columns: tuple[str, ...]) -> Iterable[Fault]:
    first: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = tuple(row.values.get(column, "") for column in columns)
        if key[0] and key in first:
            said = f"{' from '.join(key)!r} is already on line {first[key]}"
            yield Fault(file, row.line, columns[0], said)
        first.setdefault(key, row.line)


def _overlaps(rows: list[_Row]) -> Iterable[Fault]:
    """Rows of one member whose periods overlap: a day must have one row."""
    last: dict[str, _Row] = {}
    for row in sorted((row for row in rows if row.model), key=lambda row: row.model.valid_from):
        member, earlier = row.model, last.get(row.model.code)
        if earlier and earlier.model.valid_from < member.valid_from:
            until = earlier.model.valid_to
            if until is None or until >= member.valid_from:
                said = (
                    f"the row of {member.code!r} on line {earlier.line} is still valid then; end it with valid_to"
                )
                yield Fault("members.csv", row.line, "valid_from", said)
        last[member.code] = row


def load(folder: Path | None = None) -> Registry:
    """Read and check the whole registry.

    Raises:
        RegistryError: with every fault of both files.
    """
    folder = folder or lake.registry()
    faults: list[Fault] = []
    members = _rows(folder / "members.csv", Member, faults)
    sources = _rows(folder / "sources.csv", Source, faults)
    faults += _repeated("members.csv", members, ("code", "valid_from"))
    faults += _repeated("sources.csv", sources, ("source_id",))
    faults += _overlaps(members)
    known = {row.values.get("code") for row in members}
    for row in sources:
        code = row.values.get("member_code")
        if code and members and code not in known:
            faults.append(Fault("sources.csv", row.line, "member_code", f"{code!r} is not in members.csv"))
    if faults:
        raise RegistryError(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    return Registry(tuple(row.model for row in members), tuple(row.model for row in sources))
