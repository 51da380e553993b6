"""The lake that `bench/warehouse.py` measures: members, a build of the catalogue, and files of usage to be landed.

All is made up by DuckDB from hashes of row numbers, so it is the same on any day.
"""

import json
from pathlib import Path
from typing import Any

PROVINCES = "11 12 13 14 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 50".split()
MEMBERS = tuple(f"D{province}001" for province in PROVINCES)  # those that the cookbook asks of are among them
BATCH = "20260101T000000000000Z"
BUILD = "20260102T000000000000Z"
MONTHS = ("2024-12", "2025-12")  # of which there is a snapshot of all items
TITLES = 250  # electronic titles in the COUNTER report of a member, of two years
LOANS_PER_REQUEST = 50
METRICS = ("Total_Item_Investigations", "Total_Item_Requests", "Unique_Item_Requests", "Unique_Title_Requests")
FORMATS = ("loans", "items", "ill", "counter")
# Even numbers of 0 to 1 that are the same for the same row and purpose on any day.
MACROS = """CREATE TEMP MACRO chance(n, purpose) AS (hash(n, purpose) >> 11) / 9007199254740992.0;
CREATE TEMP MACRO twelve(bib) AS '978' || lpad(CAST(bib AS VARCHAR), 9, '0');
CREATE TEMP MACRO isbn13(bib) AS twelve(bib) || (10 - list_sum(list_transform(range(12), lambda i:
    CAST(twelve(bib)[i + 1] AS INTEGER) * (1 + 2 * (i % 2)))) % 10) % 10"""
ITEMS = """CREATE TEMP TABLE made_item AS
    SELECT i AS item_no, $members[1 + CAST(floor(chance(i, 'member') * len($members)) AS INTEGER)] AS member_code,
        CAST(floor(pow(chance(i, 'bib'), 2) * greatest($items // 3, 1)) AS BIGINT) AS bib
    FROM range($items) t(i)"""
RECORDS = """CREATE TEMP TABLE made_record AS
    SELECT member_code, bib,
        CAST(row_number() OVER (PARTITION BY member_code ORDER BY bib) - 1 AS INTEGER) AS record_no
    FROM made_item GROUP BY member_code, bib"""
# Columns of the contracts that these tables lack are null.
TABLES = {
    "catalog.bib": """SELECT 'b' || bib AS bib_id, count(*) AS records, count(*) AS members,
        '书名 ' || bib AS title, [isbn13(bib)] AS isbn, ['著者 ' || (bib // 3)] AS creators,
        '出版社 ' || (bib % 500) AS publisher, 1950 + bib % 75 AS pub_year,
        [chr(65 + CAST(bib % 22 AS INTEGER)) || (bib % 1000)] AS clc,
        'book' AS kind, 'print' AS carrier, 'chi' AS lang
        FROM made_record GROUP BY bib ORDER BY bib_id""",
    "catalog.bib_record": f"""SELECT 'b' || bib AS bib_id, member_code || '-opac' AS source_id,
        'r' || bib AS record_id, '{BATCH}' AS batch_id, record_no FROM made_record ORDER BY ALL""",
    "catalog.redirect": """SELECT DISTINCT 'b' || bib AS bib_id, 'living' AS status, bib_id AS living_bib_id
        FROM made_record""",
    "catalog.holding": """SELECT 'b' || bib AS bib_id, member_code, member_code || '-opac' AS source_id,
        'r' || bib AS record_id, 0 AS holding_no FROM made_record ORDER BY ALL""",
    "catalog.item": """SELECT 'b' || bib AS bib_id, member_code, member_code || '-opac' AS source_id,
        'r' || bib AS record_id, row_number() OVER (PARTITION BY member_code, bib ORDER BY item_no) - 1 AS item_no,
        member_code || lpad(CAST(item_no AS VARCHAR), 9, '0') AS barcode, '总馆' AS location
        FROM made_item ORDER BY ALL""",
}  # fmt: skip
STAGED = {
    "staged.item": f"""SELECT i.* EXCLUDE (bib_id, member_code), '{BATCH}' AS batch_id, record_no
        FROM made_catalog_item AS i
        JOIN made_record AS r ON r.member_code = i.member_code AND i.record_id = 'r' || r.bib
        WHERE i.member_code = $member""",
    "staged.record": f"""SELECT member_code || '-opac' AS source_id, 'r' || bib AS record_id,
        '{BATCH}' AS batch_id, record_no, CAST(bib AS UBIGINT) AS digest, false AS deleted
        FROM made_record WHERE member_code = $member""",
}  # fmt: skip
EVENTS = """CREATE TEMP TABLE made_event AS
    SELECT n, CASE WHEN n % 10 = 9 THEN 'renew' ELSE 'loan' END AS event_type,
        TIMESTAMP '2024-01-01' + to_seconds(CAST(floor(chance(n, 'time') * 63072000) AS BIGINT)) AS event_time,
        CAST(floor(pow(chance(n, 'item'), 3) * $items) AS BIGINT) AS item_no,
        CAST(floor(chance(n, 'reader') * greatest($items // 10, 20)) AS BIGINT) AS reader
    FROM range($loans) t(n)"""
FILE = """SELECT 'e' || n AS event_id, event_type, event_time,
        member_code || lpad(CAST(item_no AS VARCHAR), 9, '0') AS barcode, '总馆' AS location,
        'R' || reader AS reader,
        CASE reader % 5 WHEN 0 THEN '教师' WHEN 1 THEN '研究生' ELSE '本科生' END AS reader_type
    FROM made_event JOIN made_item USING (item_no) WHERE member_code = '{member}' ORDER BY n"""
SNAPSHOT = """SELECT month, member_code || lpad(CAST(item_no AS VARCHAR), 9, '0') AS barcode,
        CASE WHEN item_no % 12 = 0 THEN 'no' ELSE 'yes' END AS loanable,
        DATE '2010-01-01' + CAST(item_no % 5000 AS INTEGER) AS accession_date
    FROM made_item, unnest(getvariable('months')) m(month)
    WHERE member_code = '{member}' ORDER BY item_no, month"""
TITLES_HELD = """SELECT '书名 ' || bib, isbn13(bib) FROM made_record WHERE member_code = $1
    ORDER BY bib LIMIT $2"""
# Each asks one member or two; the last fills it.
REQUESTS = """SELECT 'q' || n AS request_id, attempt_no, 'borrow' AS role, 'Loan' AS service,
        list_extract(getvariable('members'), 1 + CAST(floor(
            chance(n * 2 + attempt_no, 'supplier') * len(getvariable('members'))) AS INTEGER)) AS partner,
        TIMESTAMP '2024-01-01' + to_seconds(CAST(floor(chance(n, 'asked') * 63072000) AS BIGINT)) AS submitted_at,
        CASE WHEN attempt_no = asked THEN submitted_at + to_hours(CAST(6 + chance(n, 'hours') * 90 AS INTEGER)) END
            AS supplied_at,
        CASE WHEN attempt_no = asked THEN 'LoanCompleted' ELSE 'Unfilled' END AS status,
        isbn13(CAST(floor(pow(chance(n, 'bib'), 2) * greatest(getvariable('items') // 3, 1)) AS BIGINT)) AS isbn,
        '书名' AS title
    FROM (SELECT n, 1 + n % 2 AS asked FROM range({first}, {last}) t(n)), unnest(range(1, asked + 1)) a(attempt_no)
    ORDER BY n, attempt_no"""


def make(home: Path, loans: int, items: int) -> None:
    """Make a lake: registry, files of events to be landed, staged items and a build of the catalogue."""
    from schemas.tables import BY_NAME
    from warehouse import engine, lake

    _registry(home)
    folder = lake.catalog_build(BUILD)
    folder.mkdir(parents=True)
    with engine.connect() as con:
        con.execute(f"SET temp_directory = '{str(home / 'scratch').replace(chr(39), chr(39) * 2)}'")
        con.execute(MACROS)
        con.execute(ITEMS, {"items": items, "members": list(MEMBERS)})
        con.execute(RECORDS)
        con.execute(EVENTS, {"items": items, "loans": loans})
        con.execute(f"CREATE TEMP VIEW made_catalog_item AS {TABLES['catalog.item']}")

        def write(place: Path, name: str, sql: str, given: dict[str, Any] | None = None) -> None:
            con.register("contract", BY_NAME[name].empty())
            whole = con.execute(f"FROM contract UNION ALL BY NAME ({sql})", given).to_arrow_table()
            lake.write_table(place, name, whole)

        for name, sql in TABLES.items():
            write(folder, name, sql)
        lake.write_table(folder, "catalog.former_record", BY_NAME["catalog.former_record"].empty())
        for member in MEMBERS:
            place = lake.staged_batch(f"{member}-opac", BATCH)
            place.mkdir(parents=True)
            for name, sql in STAGED.items():
                write(place, name, sql, {"member": member})
        con.execute(f"SET VARIABLE members = {list(MEMBERS)}; SET VARIABLE months = {list(MONTHS)}")
        con.execute(f"SET VARIABLE items = {items}")
        for number, member in enumerate(MEMBERS):
            asked = loans // LOANS_PER_REQUEST // len(MEMBERS)
            files = {
                "loans": FILE.format(member=member),
                "items": SNAPSHOT.format(member=member),
                "ill": REQUESTS.format(first=number * asked, last=(number + 1) * asked),
            }
            for kind, sql in files.items():
                arriving = _arriving(home, member, kind)
                con.execute(f"COPY ({sql}) TO '{arriving / kind}.csv' (HEADER)")
            held = con.execute(TITLES_HELD, [member, TITLES]).fetchall()
            report = json.dumps(_report(member, held), ensure_ascii=False)
            (_arriving(home, member, "counter") / "TR.json").write_text(report, "utf-8")
    from harvesters import registry

    lake.write_table(folder, "catalog.member", registry.load().member_table())


def _arriving(home: Path, member: str, kind: str) -> Path:
    folder = home / "in" / f"{member}-{kind}"
    folder.mkdir(parents=True)
    return folder


def _report(member: str, held: list[tuple[str, str]]) -> dict[str, Any]:
    """A COUNTER title report of 5.1 over two years: each title is used in each month by each metric."""
    months = [f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13)]
    items = [
        {
            "Title": title, "Item_ID": {"ISBN": isbn}, "Platform": "Platform", "Publisher": "出版社",
            "Attribute_Performance": [{
                "Data_Type": "Book", "Access_Type": "Controlled", "Access_Method": "Regular",
                "Performance": {
                    metric: {month: 1 + (place + at) % 40 for at, month in enumerate(months)} for metric in METRICS
                },
            }],
        }
        for place, (title, isbn) in enumerate(held)
    ]  # fmt: skip
    header = {"Release": "5.1", "Report_ID": "TR", "Institution_ID": {"Proprietary": [f"bench:{member}"]}}
    return {"Report_Header": header, "Report_Items": items}


def _registry(home: Path) -> None:
    from warehouse import lake

    lake.registry().mkdir(parents=True)
    members = ["code,name_zh,name_en,kind,province,valid_from"]
    sources = ["source_id,member_code,protocol,address,format"]
    for member in MEMBERS:
        province = member[1:3]
        members.append(f"{member},第{province}馆,Library {province},undergraduate,{province},2020-01-01")
        sources.append(f"{member}-opac,{member},folder,in/{member}-opac,cnmarc")
        sources += [f"{member}-{kind},{member},folder,in/{member}-{kind},{kind}" for kind in FORMATS]
    (lake.registry() / "members.csv").write_text("\n".join(members) + "\n", "utf-8")
    (lake.registry() / "sources.csv").write_text("\n".join(sources) + "\n", "utf-8")
