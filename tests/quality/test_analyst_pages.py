"""The page of charts for directors and that of the dictionary against SQL on the file that they are made from.

What charts show is asked anew of records, holdings and loans, not by the queries of the page.
"""

import pytest
from lxml import html

from warehouse import build, dictionary, lake

pytestmark = pytest.mark.xdist_group("published")
HELD = """(SELECT bib_id, member_code FROM catalog.holding UNION SELECT bib_id, member_code FROM catalog.item
    UNION SELECT bib_id, member_code FROM catalog.bib_record JOIN quality.source USING (source_id))"""
REGION = """coalesce((SELECT name_zh FROM dim.centre WHERE centre_code = regional_centre), '全国中心直接服务')"""
CLASS = """CASE WHEN class = '-' THEN name_zh ELSE class || ' ' || name_zh || ' · ' || scheme END"""
CHARTS = {
    "held-regions": f"""SELECT {REGION}, count(DISTINCT bib_id) FROM {HELD} JOIN dim.member USING (member_code)
        GROUP BY 1""",
    "held-classes": f"SELECT {CLASS}, count(*) FROM dim.bib JOIN dim.class USING (scheme, class) GROUP BY 1",
    "use-years": """SELECT CAST(year(event_date) AS VARCHAR), count(*) FROM catalog.loan WHERE event_type = 'loan'
        GROUP BY 1""",
    "use-regions": f"""SELECT {REGION}, count(*) FROM catalog.loan JOIN dim.member USING (member_code)
        WHERE event_type = 'loan' GROUP BY 1""",
    "use-classes": f"""SELECT {CLASS}, count(*) FROM (
            SELECT coalesce(bib.scheme, 'none') AS scheme, coalesce(bib.class, '-') AS class
            FROM catalog.loan LEFT JOIN dim.bib AS bib USING (bib_id) WHERE event_type = 'loan'
        ) JOIN dim.class USING (scheme, class) GROUP BY 1""",
}  # fmt: skip


def page(name):
    return html.fromstring((lake.site() / name).read_bytes())


def rows(sql):
    return [tuple(row.values()) for row in build.query(sql).to_pylist()]


def number(text):
    return int(text.replace(",", ""))


def chart(name):
    """Name in Chinese and number of each bar: those of the table, and those that are drawn."""
    (figure,) = page("directors.html").xpath(f'//figure[@aria-labelledby="{name}"]')
    lines = figure.xpath(".//tbody/tr")
    listed = [(line.xpath('string(th/span[@lang="zh-Hans"])'), number(line.xpath("string(td)"))) for line in lines]
    names = figure.xpath('.//svg/text[@class="name"][@lang="zh-Hans"]/text()')
    return listed, list(zip(names, map(number, figure.xpath('.//svg/text[@class="value"]/text()')), strict=False))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_has_the_numbers_of_the_file(published_lake, name):
    listed, drawn = chart(name)
    asked = dict(rows(CHARTS[name]))
    assert dict(listed) == asked and len(listed) == len(asked) > 1
    largest = sorted((count for _, count in listed), reverse=True)
    assert set(drawn) <= set(listed)
    assert [count for _, count in drawn] == [count for _, count in listed] or sorted(
        (count for _, count in drawn), reverse=True
    ) == largest[:15]


def test_bars_are_as_long_as_their_numbers(published_lake):
    figures = page("directors.html").xpath('//figure[.//rect[@class="rail"]]')
    assert len(figures) == 5
    for figure in figures:
        counts = [number(text) for text in figure.xpath('.//svg/text[@class="value"]/text()')]
        widths = [float(width[:-1]) for width in figure.xpath('.//rect[@class="bar"]/@width')]
        assert widths == [pytest.approx(100 * count / max(counts), abs=0.01) for count in counts]


def test_the_chart_of_years_has_every_bib_once(published_lake):
    listed, _ = chart("held-years")
    asked = dict(rows("SELECT CAST(pub_year AS VARCHAR), count(*) FROM catalog.bib WHERE pub_year > 0 GROUP BY 1"))
    years = {name: count for name, count in listed if name.isdigit()}
    assert {name: count for name, count in years.items() if count} == {
        name: count for name, count in asked.items() if name in years
    }
    assert sum(count for _, count in listed) == rows("SELECT count(*) FROM catalog.bib")[0][0]
    bars = page("directors.html").xpath('//figure[@aria-labelledby="held-years"]//rect/title/text()')
    assert [tuple(bar.split(": ")) for bar in bars] == [(name, f"{count:,}") for name, count in years.items()]


def test_the_table_of_members_has_the_numbers_of_the_file(published_lake):
    lines = page("directors.html").xpath('//div[contains(@aria-label, "circulation")]//tbody/tr')
    shown = [(line.xpath('string(th/span[@lang="zh-Hans"])'), *line.xpath("td/text()")) for line in lines]
    asked = rows("""SELECT name_zh, CAST(year(event_date) AS VARCHAR), format('{:,}', count(*)),
            printf('%.2f', count(*) / any_value(stock)),
            printf('%.2f', count(DISTINCT barcode) FILTER (item_link <> 'none') / any_value(stock))
        FROM catalog.loan JOIN dim.member USING (member_code)
        JOIN (SELECT member_code, year, sum(loanable_items) AS stock FROM marts.stock_year GROUP BY ALL) AS held
            ON held.member_code = loan.member_code AND held.year = year(event_date)
        WHERE event_type = 'loan' GROUP BY name_zh, year(event_date)""")
    assert sorted(line[:5] for line in shown) == sorted(asked) and len(shown) > 4
    readers = {
        (name, str(year)): count
        for name, year, count in rows(
            "SELECT name_zh, year, readers FROM marts.circulation JOIN dim.member USING (member_code)"
        )
    }
    assert {line[:2]: line[5] for line in shown} == {
        key: "–" if count is None else f"{count:,}" for key, count in readers.items()
    }


# --- the dictionary --------------------------------------------------------------------------------------


def sections():
    """Of each table of the page: its columns with type, Chinese and English."""
    return {
        section.get("id"): [
            (
                line.xpath("string(th/code)"), line.xpath("string(td[1]/code)"),
                line.xpath('string(td[2]/span[@lang="zh-Hans"])'), line.xpath('string(td[2]/span[@lang="en"])'),
            )
            for line in section.xpath(".//tbody/tr")
        ]
        for section in page("dictionary.html").xpath('//section[@class="dictionary"]')
    }  # fmt: skip


def test_the_page_of_the_dictionary_is_the_comments_of_the_file(published_lake):
    asked = {}
    for table, name, kind, comment in rows(
        """SELECT schema_name || '.' || table_name, column_name, data_type, comment FROM duckdb_columns()
        WHERE schema_name IN ('catalog', 'quality', 'dim', 'marts') ORDER BY ALL"""
    ):
        english, _, chinese = comment.partition(" | ")
        asked.setdefault(table, []).append((name, kind, chinese, english))
    shown = sections()
    calls = {name for name in shown if "(" in name}
    assert {name: sorted(columns) for name, columns in shown.items() if name not in calls} == asked
    assert len(asked) > 60
    (called,) = calls
    (comment,) = [row[0] for row in rows("SELECT comment FROM duckdb_functions() WHERE function_name = 'lenders'")]
    assert called == "marts.lenders(bib, requester)"
    assert [row[0] for row in shown[called]] == list(
        build.query("SELECT * FROM marts.lenders((SELECT any_value(bib_id) FROM catalog.bib), NULL)").column_names
    )
    assert all(
        f"{name}: {english}" in comment and chinese in comment for name, _, chinese, english in shown[called]
    )


def test_the_written_dictionary_says_what_the_page_says(published_lake):
    written = dictionary.markdown()
    for name, columns in sections().items():
        of_table = written.split(f"### {name.partition('(')[0]} (")[1].split("\n### ")[0].splitlines()
        for column, _, chinese, english in columns:
            (line,) = [line for line in of_table if line.startswith(f"| {column} |")]
            assert line.endswith(f"| {english} | {chinese} |"), f"{name}.{column}"
