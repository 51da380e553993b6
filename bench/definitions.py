"""Field definitions as data: facts of the formats, taken from published definitions into `quality/definitions`.

    bench/definitions.py FOLDER [--lint /usr/share/perl5/MARC/Lint.pm] [--out quality/definitions]

FOLDER has `avram-marc21.json`, `avram-unimarc.json`, `dp2-unimarc-marcdef.xml` and `-marcvaluelist.xml`,
`dp2-usmarc-marcdef.xml` and `-marcvaluelist.xml`.  `Lint.pm` is of Debian's libmarc-lint-perl.

Only facts are taken: tags, repeatability, values of indicators, codes of subfields, lengths and codes of
positions, and the names of fields.  What two sources say is put together, so that a code is undefined only where
none knows it.  In files that are there already the names, the columns of what is obsolete, and rows that no source
has (Chinese fields that UNIMARC lacks, say) are kept: they are written by hand.  So are the positions: they are
written only where there is no file yet, since each was gone through by hand after that.
"""

import argparse
import csv
import json
import re
from pathlib import Path
from typing import Any

from lxml import etree

ROOT = Path(__file__).resolve().parents[1]
FIELD_COLUMNS = [
    "tag",
    "label_zh",
    "label_en",
    "repeatable",
    "ind1",
    "ind2",
    "subfields",
    "obsolete",
    "obsolete_ind1",
    "obsolete_ind2",
    "obsolete_subfields",
]
BY_HAND = ("label_zh", "label_en", "obsolete", "obsolete_ind1", "obsolete_ind2", "obsolete_subfields")
POSITION_COLUMNS = ["tag", "code", "material", "start", "length", "values", "obsolete", "optional"]
CODE_COLUMNS = ["list", "code", "obsolete"]
MATERIALS_007 = {
    "map": "a",
    "electronic_resource": "c",
    "globe": "d",
    "tactile_material": "f",
    "projected_graphic": "g",
    "microform": "h",
    "nonprojected_graphic": "k",
    "motion_picture": "m",
    "kit": "o",
    "notated_music": "q",
    "remote-sensing_image": "r",
    "sound_recording": "s",
    "text": "t",
    "videorecording": "v",
    "unspecified": "z",
}
OBSOLETE_SINCE = {"languages": "2008", "countries": "2007", "areas": "2007"}  # the latest change of their lists
Row = dict[str, str]
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def shown(characters: set[str]) -> str:
    """Values of an indicator in order, a blank as #."""
    return "".join(sorted("#" if character == " " else character for character in characters))


def coded(subfields: dict[str, bool]) -> str:
    """Subfield codes in order, letters first, an asterisk behind those that repeat."""
    order = sorted(subfields, key=lambda code: (not code.isalpha(), code))
    return " ".join(code + "*" * subfields[code] for code in order)


def lint(path: Path) -> dict[str, Row]:
    """MARC 21 as MARC::Lint knows it."""
    fields: dict[str, Row] = {}
    for block in path.read_text("utf-8").split("\n__DATA__\n")[1].strip().split("\n\n"):
        lines = [line.split(None, 2) for line in block.splitlines() if line[:1].strip()]
        if len(lines) < 2 or not re.fullmatch(r"\d{3}", lines[0][0]):
            continue
        tag, repeatable = lines[0][:2]
        indicators = {line[0]: line[1] for line in lines[1:] if line[0].startswith("ind")}
        subfields = {}
        for code, repeats, *_ in (line for line in lines[1:] if not line[0].startswith("ind")):
            if code.strip():
                for one in map(chr, range(ord(code[0]), ord(code[-1]) + 1)):
                    subfields[one] = repeats == "R"
        fields[tag] = {
            "tag": tag,
            "label_en": lines[0][2].capitalize(),
            "repeatable": "yes" if repeatable == "R" else "no",
            **{name: _lint_indicator(values) for name, values in indicators.items()},
            "subfields": coded(subfields),
        }
    return fields


def _lint_indicator(values: str) -> str:
    if values == "blank":
        return "#"
    spread = re.sub(r"(\d)-(\d)", lambda m: "".join(map(str, range(int(m[1]), int(m[2]) + 1))), values)
    return shown({" " if one == "b" else one for one in spread})


def avram(path: Path) -> dict[str, Row]:
    """The fields of an Avram schema."""
    fields: dict[str, Row] = {}
    for tag, field in json.loads(path.read_text("utf-8"))["fields"].items():
        if not re.fullmatch(r"\d{3}", tag):
            continue
        subfields = field.get("subfields") or {}
        row = {
            "tag": tag,
            "label_en": re.sub(r" ?\[.*?\]| ?\(PROVISIONAL\)", "", field["label"]).capitalize(),
            "repeatable": "yes" if field.get("repeatable") else "no",
            "subfields": coded({code: bool(one.get("repeatable")) for code, one in subfields.items()}),
        }
        for number in ("1", "2"):
            if f"indicator{number}" in field:
                codes = (field[f"indicator{number}"] or {}).get("codes") or {" ": ""}
                row[f"ind{number}"] = shown({one for code in codes for one in code})
        if "obsolete" in field["label"].lower():
            row["obsolete"] = "yes"
        fields[tag] = row
    return fields


def dp2(path: Path) -> dict[str, Row]:
    """The fields of a marcdef of dp2: names and codes; it does not say what repeats."""
    fields: dict[str, Row] = {}
    for field in etree.parse(path).getroot().findall("Field"):
        if not re.fullmatch(r"\d{3}", field.get("name", "")):
            continue
        names = {one.get(LANGUAGE): (one.text or "").strip() for one in field.findall("Property/Label")}
        codes = {one.get("name", ""): False for one in field.findall("Subfield")}
        row = fields.setdefault(field.get("name"), {"tag": field.get("name")})
        row["label_zh"] = row.get("label_zh") or names.get("zh", "")
        row["label_en"] = row.get("label_en") or names.get("en", "")
        row["subfields"] = coded({code: False for code in codes if len(code) == 1})
    return fields


def merged(*sources: dict[str, Row]) -> dict[str, Row]:
    """Definitions put together: the first source that says something counts; codes of all."""
    fields: dict[str, Row] = {}
    for tag in sorted(set().union(*sources)):
        said = [source[tag] for source in sources if tag in source]
        row = {name: next((one[name] for one in said if one.get(name)), "") for name in FIELD_COLUMNS}
        codes: dict[str, bool] = {}
        for one in said:
            for code in one.get("subfields", "").split():
                codes.setdefault(code[0], code.endswith("*"))
        row["subfields"] = coded(codes)
        fields[tag] = row
    return fields


def positions_of_dp2(path: Path, lists: Path) -> list[Row]:
    """Coded positions of a marcdef, with the values of its lists."""
    known = {
        one.get("name"): [item.findtext("Value") or "" for item in one.findall("Item")]
        for one in etree.parse(lists).getroot().findall("ValueList")
    }
    rows = []
    for field in etree.parse(path).getroot().findall("Field"):
        for holder in [field, *field.findall("Subfield")]:
            for one in holder.findall("Char"):
                start, length = one.get("name").split("/")
                named = one.find(".//ValueList")
                values: list[str] = []
                if named is not None and named.get("ref"):
                    values = known.get(named.get("ref").split("#")[-1], [])
                elif named is not None:
                    values = [item.findtext("Value") or "" for item in named.findall("Item")]
                values = [value.replace(" ", "#").replace("_", "#") for value in values if "?" not in value]
                rows.append(
                    {
                        "tag": "LDR" if field.get("name") == "###" else field.get("name"),
                        "code": "" if holder is field else holder.get("name"),
                        "material": MATERIALS_007.get(field.get("type"), ""),
                        "start": start,
                        "length": length,
                        "values": " ".join(dict.fromkeys(values)),
                    }
                )
    return rows


def positions_of_avram(path: Path) -> list[Row]:
    """Coded positions of an Avram schema."""
    rows = []
    for tag, field in json.loads(path.read_text("utf-8"))["fields"].items():
        for code, holder in [("", field), *(field.get("subfields") or {}).items()]:
            for place, one in (holder.get("positions") or {}).items():
                first, last = int(place.split("-")[0]), int(place.split("-")[-1])
                codes = one.get("codes") if isinstance(one.get("codes"), dict) else {}
                rows.append(
                    {
                        "tag": "LDR" if tag == "LEADER" else tag,
                        "code": code,
                        "material": "",
                        "start": str(first),
                        "length": str(last - first + 1),
                        "values": " ".join(value.replace(" ", "#") for value in codes),
                    }
                )
    return rows


def together(*sources: list[Row]) -> list[Row]:
    """Positions of several sources: values of all that cut a field the same way, else the first one's cuts."""
    found: dict[tuple[str, ...], Row] = {}
    for source in sources:
        cut = {}
        for row in found.values():
            cut.setdefault((row["tag"], row["code"], row["material"]), []).append(row)
        for row in source:
            before = cut.get((row["tag"], row["code"], row["material"]), [])
            span = range(int(row["start"]), int(row["start"]) + int(row["length"]))
            over = [one for one in before if int(one["start"]) in span or span[0] in _span(one)]
            key = (row["tag"], row["code"], row["material"], row["start"], row["length"])
            if key in found:
                values = dict.fromkeys([*found[key]["values"].split(), *row["values"].split()])
                found[key]["values"] = " ".join(values)
            elif not over:
                found[key] = dict(row)
    return sorted(
        found.values(), key=lambda row: (row["tag"] != "LDR", row["tag"], row["code"], int(row["start"]))
    )


def _span(row: Row) -> range:
    return range(int(row["start"]), int(row["start"]) + int(row["length"]))


def code_lists(path: Path) -> list[Row]:
    """Codes of languages and countries as MARC::Lint knows them."""
    text = path.read_text("utf-8")
    rows = []
    for name, perl in (("languages", "LanguageCodes"), ("countries", "CountryCodes"), ("areas", "GeogAreaCodes")):
        known: dict[str, str] = {}
        for prefix, obsolete in (("", ""), ("Obsolete", OBSOLETE_SINCE[name])):
            found = re.search(rf'%{prefix}{perl} = map .*?\("(.*?)"\)', text, re.S)
            for code in found[1].split("\t") if found else []:
                known.setdefault(code.replace(" ", "#"), obsolete)
        rows += [{"list": name, "code": code, "obsolete": obsolete} for code, obsolete in sorted(known.items())]
    return rows


def read(path: Path) -> list[Row]:
    """The rows of a file that may be there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def write(path: Path, columns: list[str], rows: list[Row]) -> None:
    """Replace a file."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{path}: {len(rows)} rows")


def kept(rows: dict[str, Row], path: Path) -> list[Row]:
    """The rows with what was written by hand in the file."""
    for before in read(path):
        row = rows.setdefault(before["tag"], before)
        for name in BY_HAND:
            row[name] = before[name] or row.get(name, "")
    return [rows[tag] for tag in sorted(rows)]


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lint", type=Path, default=Path("/usr/share/perl5/MARC/Lint.pm"))
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[1] / "quality" / "definitions"
    )
    given: Any = parser.parse_args()
    folder, out = given.folder, given.out
    chinese, western = (folder / f"dp2-{name}-marcdef.xml" for name in ("unimarc", "usmarc"))
    lists = folder / "dp2-unimarc-marcvaluelist.xml"
    names = {tag: {"tag": tag, "label_zh": row["label_zh"]} for tag, row in dp2(western).items()}
    marc21 = merged(lint(given.lint), avram(folder / "avram-marc21.json"))
    for tag in marc21:
        marc21[tag]["label_zh"] = names.get(tag, {}).get("label_zh", "")
    unimarc = avram(folder / "avram-unimarc.json")
    cnmarc = dp2(chinese)
    for name, fields in (("marc21", marc21), ("unimarc", merged(unimarc)), ("cnmarc", merged(unimarc, cnmarc))):
        for tag in fields:
            fields[tag]["label_zh"] = fields[tag]["label_zh"] or cnmarc.get(tag, {}).get("label_zh", "") * (
                name != "marc21"
            )
        write(out / f"{name}.csv", FIELD_COLUMNS, kept(fields, out / f"{name}.csv"))
    international = positions_of_avram(folder / "avram-unimarc.json")
    of_chinese = positions_of_dp2(chinese, lists)
    of_western = positions_of_dp2(western, folder / "dp2-usmarc-marcvaluelist.xml")
    for name, positions in (
        ("unimarc", together(international)),
        ("cnmarc", together(of_chinese, international)),
        ("marc21", [row for row in of_western if row["tag"] == "007"]),
    ):
        if not (out / f"{name}_positions.csv").exists():
            write(out / f"{name}_positions.csv", POSITION_COLUMNS, positions)
    write(out / "codes.csv", CODE_COLUMNS, code_lists(given.lint.parent / "Lint" / "CodeData.pm"))


if __name__ == "__main__":
    main()
