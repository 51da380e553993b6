"""What else the demo libraries report: people served, requests, electronic use and rented systems.

It agrees with their holdings: titles are those of the sample's books.  Each kind is written in the form that
libraries send it in: Excel, CSV in GB18030 or UTF-8, tab-separated, COUNTER as JSON.
"""

import csv
import io
import json
import random
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from sample.libraries import PACKAGE, PLATFORM

MONTHS = tuple(date(year, month, 1) for year in (2024, 2025) for month in range(1, 13))
REQUESTS = 400  # of a member that asks
LOANS = 500  # of electronic books
ORDERS = 120  # of single articles
EBOOKS = 60  # titles on a platform
_CLOSED = (("完成", 0.78), ("未满足", 0.15), ("取消", 0.04), ("处理中", 0.03))
_METRICS = ("Total_Item_Investigations", "Total_Item_Requests", "Unique_Item_Requests", "Unique_Title_Requests")


class Title(NamedTuple):
    """A book that some libraries hold."""

    book_id: str
    title: str
    isbn: str


def _write(path: Path, rows: Iterable[Sequence[object]], charset: str = "utf-8", delimiter: str = ",") -> int:
    """Write a header and rows; returns how many rows."""
    lines = list(rows)
    with path.open("w", encoding=charset, newline="") as out:
        csv.writer(out, delimiter=delimiter).writerows(lines)
    return len(lines) - 1


def write_excel(path: Path, rows: Iterable[Sequence[object]]) -> int:
    """Write a workbook of one sheet; returns how many rows stand below its header."""
    lines = list(rows)
    cells = io.StringIO()
    for number, line in enumerate(lines, 1):
        cells.write(f'<row r="{number}">')
        for letter, value in zip("ABCDEFGH", line, strict=False):
            place = f'r="{letter}{number}"'
            if isinstance(value, int):
                cells.write(f"<c {place}><v>{value}</v></c>")
            else:
                cells.write(f'<c {place} t="inlineStr"><is><t>{escape(str(value))}</t></is></c>')
        cells.write("</row>")
    sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{sheet}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells.getvalue()}</sheetData>'
        "</worksheet>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in parts.items():
            book.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), '<?xml version="1.0"?>' + text)
    return len(lines) - 1


def population(folder: Path, items: int) -> int:
    """People served, in an Excel workbook: one row a group and half-year; in proportion to the stock."""
    groups = (("本科生", 0.5), ("研究生", 0.17), ("教师", 0.05))
    months = ("2024-03", "2024-09", "2025-03", "2025-09")
    rows = [
        (month, group, max(30, round(items * share * (1 + 0.02 * no))))
        for no, month in enumerate(months) for group, share in groups
    ]  # fmt: skip
    return write_excel(folder / "population.xlsx", [("统计月份", "读者类型", "人数"), *rows])


def requests(
    folder: Path, member: str, titles: Sequence[Title], holders: dict[str, list[str]], rng: random.Random
) -> int:
    """Interlibrary loan requests in GB18030: a row for each library asked.

    It asks for what it does not hold itself, and asks those that hold it, where there are any.
    """
    titles = [book for book in titles if member not in holders.get(book.book_id, [])]
    rows: list[Sequence[object]] = [
        (
            "申请单号",
            "派送序号",
            "角色",
            "服务类型",
            "提供馆",
            "申请时间",
            "提供时间",
            "状态",
            "费用",
            "书名",
            "书号",
            "年份",
        )
    ]
    for number in range(min(REQUESTS, 4 * len(titles))):
        book = titles[int(len(titles) * rng.random() ** 2)]
        asked = list(holders.get(book.book_id, [])) or ["国家图书馆"]
        rng.shuffle(asked)
        at = datetime(2024, 1, 2, 9) + timedelta(hours=rng.randrange(24 * 720))
        for attempt, supplier in enumerate(asked[:3], 1):
            slow = 1 + sum(map(ord, supplier)) % 5  # each library has a pace of its own
            status = rng.choices([name for name, _ in _CLOSED], [share for _, share in _CLOSED])[0]
            supplied = at + timedelta(hours=round(6 + rng.expovariate(1 / (12 * slow))))
            done = status == "完成"
            rows.append((
                f"{member}-R{number:05d}", attempt, "借入", "返还式" if rng.random() < 0.6 else "文献传递",
                supplier,
                at.isoformat(" "), supplied.isoformat(" ") if done else "", status,
                f"{5 + slow}.00" if done else "", book.title, book.isbn, "",
            ))  # fmt: skip
            at += timedelta(hours=20)
            if status != "未满足":
                break
    return _write(folder / "requests.csv", rows, "gb18030")


def counter(folder: Path, member: str, titles: Sequence[Title], rng: random.Random) -> int:
    """A COUNTER title master report of release 5.1, as JSON; returns how many figures it has."""
    figures = 0
    items = []
    for place, book in enumerate(titles[:EBOOKS]):
        counts: dict[str, dict[str, int]] = {metric: {} for metric in _METRICS}
        for month in MONTHS:
            requests = int(rng.expovariate(1 / (40 / (1 + place / 4))))
            if requests:
                unique = max(1, round(requests * 0.7))
                for metric, count in zip(
                    _METRICS, (requests * 2, requests, unique, max(1, unique // 3)), strict=True
                ):
                    counts[metric][month.strftime("%Y-%m")] = count
                    figures += 1
        if any(counts.values()):
            performance = {metric: found for metric, found in counts.items() if found}
            items.append({
                "Title": book.title, "Item_ID": {"ISBN": book.isbn},
                "Platform": PLATFORM, "Publisher": "Demo Press",
                "Attribute_Performance": [{
                    "Data_Type": "Book", "YOP": "2015", "Access_Type": "Controlled", "Access_Method": "Regular",
                    "Performance": performance,
                }],
            })  # fmt: skip
    header = {
        "Release": "5.1", "Report_ID": "TR", "Report_Name": "Title Report", "Created": "2026-01-05T00:00:00Z",
        "Created_By": PLATFORM, "Institution_ID": {"Proprietary": [f"demo:{member}"]},
        "Institution_Name": f"Demo Library {member}", "Registry_Record": "",
        "Report_Filters": {"Begin_Date": "2024-01-01", "End_Date": "2025-12-31"},
    }  # fmt: skip
    report = {"Report_Header": header, "Report_Items": items}
    (folder / "TR-2024-2025.json").write_text(json.dumps(report, ensure_ascii=False), "utf-8")
    return figures


def ebook_loans(folder: Path, titles: Sequence[Title], rng: random.Random) -> int:
    """Loans of electronic books, tab-separated with a byte order mark; they end one calendar month later."""
    rows: list[Sequence[object]] = [
        ("借阅号", "借阅时间", "平台", "图书编号", "书名", "书号", "读者证号", "读者类型")
    ]
    for number in range(min(LOANS, 5 * len(titles))):
        book = titles[int(min(len(titles), 300) * rng.random() ** 2)]
        at = datetime(2024, 1, 1) + timedelta(minutes=rng.randrange(731 * 1440))
        reader = f"E{int(90 * rng.random() ** 2):04d}"
        rows.append(
            (f"EL{number:06d}", at.isoformat(" "), "方正", book.book_id, book.title, book.isbn, reader, "本科生")
        )
    return _write(folder / "ebook-loans.tsv", rows, "utf-8-sig", "\t")


def orders(folder: Path, rng: random.Random) -> int:
    """Pay-per-view orders."""
    rows: list[Sequence[object]] = [("order_id", "order date", "platform", "article title", "price", "currency")]
    for number in range(ORDERS):
        at = date(2024, 1, 1) + timedelta(days=rng.randrange(731))
        platform, price = rng.choice((("CNKI", 4), ("维普", 3)))
        rows.append(
            (f"O{number:05d}", at.isoformat(), platform, f"Article {number}", f"{price + number % 3}.50", "CNY")
        )
    return _write(folder / "orders.csv", rows)


def rental(folder: Path, members: Sequence[str], rng: random.Random) -> int:
    """Use of the shared systems by every tenant and month, some of whom do nothing."""
    rows: list[Sequence[object]] = [
        ("租户代码", "系统", "月份", "登录次数", "活跃用户数", "业务量", "存储量", "租金")
    ]
    for system, every in (("馆际互借系统", 1), ("特色库系统", 3), ("机构知识库", 2)):
        for member in members[::every]:
            size = rng.randrange(20, 400)
            for month in MONTHS:
                logins = 0 if rng.random() < 0.05 else int(size * rng.random())
                rows.append(
                    (member, system, f"{month:%Y-%m}", logins, logins // 6, logins * 3, size * 5, "100.00")
                )
    return _write(folder / "rental.csv", rows, "gb18030")


def title_list(folder: Path, titles: Sequence[Title]) -> int:
    """A KBART list of the electronic books that a library has access to."""
    rows: list[Sequence[object]] = [(
        "publication_title", "print_identifier", "online_identifier", "title_url", "title_id", "coverage_depth",
        "publisher_name", "publication_type", "access_type",
    )]  # fmt: skip
    for number, book in enumerate(titles[: 10 * EBOOKS]):
        url = f"https://books.example/{book.book_id}"
        access = "F" if number % 9 == 0 else "P"
        rows.append((book.title, book.isbn, "", url, book.book_id, "ebook", "Demo Press", "monograph", access))
    return _write(folder / "Demo_Books_2025-12-01.txt", rows, delimiter="\t")


def costs(folder: Path, by_package: bool, rng: random.Random) -> int:
    """What was paid for the platform of the COUNTER reports in each year, as a whole or as a package of it."""
    rows: list[Sequence[object]] = [("年度", "平台", "资源包", "金额", "币种")]
    for year in (2024, 2025):
        package = PACKAGE if by_package else ""
        rows.append((f"{year}年", PLATFORM, package, f"{rng.randrange(180, 240) * 100:,}.00", "人民币"))
        rows.append((f"{year}年", "Demo Journals", "", f"{rng.randrange(2000, 3000)}.00", "美元"))  # no reports
    return _write(folder / "costs.csv", rows, "gb18030")
