"""The registry: which members there are and which feeds they have.

Two CSV files (UTF-8, with a header) in `lake.registry()`; adding a library or a feed is one line.  Every
fault in them is found at once and named by file, line and column; nothing runs on a bad registry.
"""

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.tables import CATALOG_MEMBER
from warehouse import lake

PROVINCES = frozenset(
    [
        "11",
        "12",
        "13",
        "14",
        "15",
        "21",
        "22",
        "23",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "37",
        "41",
        "42",
        "43",
        "44",
        "45",
        "46",
        "50",
        "51",
        "52",
        "53",
        "54",
        "61",
        "62",
        "63",
        "64",
        "65",
        "71",
        "81",
        "82",
    ]
)
CODE = r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$"


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _quirks(value: object) -> object:
    """Read `name=value;name=value` as a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(";") if part.strip()]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise ValueError(f"write quirks as name=value;name=value (no '=' in {bad[0].strip()!r})")
    return {name.strip(): text.strip() for name, _, text in pairs}


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
    province: str
    regional_centre: OptionalText = None
    valid_from: date
    valid_to: OptionalDate = None

    @model_validator(mode="after")
    def _check(self) -> "Member":
        if self.valid_to and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")
        return self


class Source(BaseModel):
    """One feed of a member.  What differs between feeds is data here; code exists per protocol and format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_id: str = Field(pattern=CODE)
    member_code: str = Field(pattern=CODE)
    protocol: Literal["oai", "folder"]
    address: str = Field(min_length=1)
    metadata_prefix: OptionalText = None
    set_spec: OptionalText = None
    format: Literal["auto", "marc21", "cnmarc", "unimarc", "oai_dc", "loans"] = "auto"
    encoding: str = "auto"
    holdings: OptionalText = None
    delivery: Literal["full", "delta"] = "delta"
    schedule: str = "@daily"
    max_megabytes: int = Field(default=2048, gt=0)
    quirks: Annotated[dict[str, str], BeforeValidator(_quirks)] = {}

    @model_validator(mode="after")
    def _check(self) -> "Source":
        if self.protocol == "oai":
            if not re.match(r"^https?://[^/@\s]+", self.address):
                raise ValueError("address: an OAI source needs http:// or https:// and no user name in it")
            if not self.metadata_prefix:
                raise ValueError("metadata_prefix: an OAI source needs one, for example marcxml or oai_dc")
        return self


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

    def source(self, source_id: str) -> Source:
        """The source of that id.

        Raises:
            KeyError: there is none.
        """
        for source in self.sources:
            if source.source_id == source_id:
                return source
        raise KeyError(f"no source {source_id!r} in sources.csv; known: {[s.source_id for s in self.sources]}")

    def chosen(self, source_ids: Iterable[str]) -> tuple[Source, ...]:
        """The sources named, or all of them where none is."""
        wanted = list(source_ids)
        return tuple(self.source(name) for name in wanted) if wanted else self.sources

    def member_table(self) -> pa.Table:
        """The members as `catalog.member`."""
        rows = [{"member_code": m.code, **m.model_dump(exclude={"code"})} for m in self.members]
        return pa.Table.from_pylist(rows, schema=CATALOG_MEMBER.schema)


def _rows(path: Path, model: type[BaseModel], faults: list[Fault]) -> list[tuple[int, Any]]:
    """Read one file into models with their line numbers; faults are collected."""
    if not path.exists():
        faults.append(Fault(path.name, 1, "-", f"no such file in {path.parent}; `calis sample` makes an example"))
        return []
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.append(Fault(path.name, 1, "-", f"not UTF-8 (byte {error.start}); save it as UTF-8"))
        return []
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    found = []
    try:
        header = list(reader.fieldnames or [])
        faults += [
            Fault(path.name, 1, name, "unknown column") for name in header if name not in model.model_fields
        ]
        required = (name for name, info in model.model_fields.items() if info.is_required())
        faults += [Fault(path.name, 1, name, "column is missing") for name in required if name not in header]
        if faults and faults[-1].line == 1:
            return []
        for row in reader:
            found.append((reader.line_num, row))
    except csv.Error as error:
        faults.append(Fault(path.name, reader.line_num, "-", f"not readable as CSV: {error}"))
    return [pair for line, row in found for pair in _model(path.name, line, row, model, faults)]


def _model(
    file: str, line: int, row: dict[str, Any], model: type[BaseModel], faults: list[Fault]
) -> list[tuple[int, Any]]:
    if None in row or None in row.values():
        faults.append(Fault(file, line, "-", "has not as many values as the header has columns"))
        return []
    values = {name: value.strip() for name, value in row.items()}
    given = {
        name: value for name, value in values.items() if value != "" or model.model_fields[name].is_required()
    }
    try:
        return [(line, model(**given))]
    except ValidationError as error:
        for problem in error.errors():
            message = problem["msg"].removeprefix("Value error, ")
            column = str(problem["loc"][0]) if problem["loc"] else ""
            if not column:
                named = message.split(":")[0].split(" ")[0]
                column, message = (named, message) if named in model.model_fields else ("-", message)
            shown = f" (found {values.get(column)!r})" if column in values else ""
            faults.append(Fault(file, line, column, message + shown))
        return []


def _repeated(
    file: str, rows: list[tuple[int, Any]], column: str, key: Callable[[Any], object]
) -> Iterable[Fault]:
    first: dict[object, int] = {}
    for line, row in rows:
        if key(row) in first:
            yield Fault(file, line, column, f"{key(row)!r} is already on line {first[key(row)]}")
        first.setdefault(key(row), line)


def load(folder: Path | None = None) -> Registry:
    """Read and check the whole registry.

    Raises:
        RegistryError: with every fault of both files.
    """
    folder = folder or lake.registry()
    faults: list[Fault] = []
    members = _rows(folder / "members.csv", Member, faults)
    sources = _rows(folder / "sources.csv", Source, faults)
    faults += _repeated("members.csv", members, "code", lambda m: (m.code, m.valid_from.isoformat()))
    faults += _repeated("sources.csv", sources, "source_id", lambda s: s.source_id)
    faults += [
        Fault("members.csv", line, "province", f"{member.province!r} is no GB/T 2260 province (two digits)")
        for line, member in members
        if member.province not in PROVINCES
    ]
    known = {member.code for _, member in members}
    faults += [
        Fault("sources.csv", line, "member_code", f"{source.member_code!r} is not in members.csv")
        for line, source in sources
        if members and source.member_code not in known
    ]
    if faults:
        raise RegistryError(sorted(faults, key=lambda fault: (fault.file, fault.line)))
    return Registry(tuple(m for _, m in members), tuple(s for _, s in sources))


def batches(sources: Iterable[Source], most: int) -> list[list[str]]:
    """The ids of the sources dealt into at most `most` batches, feeds of one member in different ones."""
    ids = [source.source_id for source in sources]
    return [ids[start::most] for start in range(min(most, len(ids)))]
