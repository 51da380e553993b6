"""What members paid for platforms and packages: read as written, or refused with row and reason."""

import pytest

from .usage_lake import Feeds, counts, rows


def test_costs_are_read_as_libraries_write_them():
    feeds = Feeds("a,A,costs,delta,", "b,A,costs,delta,package=全库;currency=USD")
    chinese = '年度,平台,资源包,金额,币种\n2025年,知网,期刊库,"1,234,000.50",人民币\n2025年度,维普,,８00元,\n'
    assert counts(feeds.take("a", {"costs.csv": chinese.encode("gb18030")})) == (2, 2, 0, 0, 0)
    assert counts(feeds.take("b", {"costs.tsv": "member\tyear\tplatform\tcost\nB\t2024\tP\t1000\n"}))[:2] == (1, 1)
    assert rows("""SELECT source_id, tenant, year, platform, package, cost_cents, currency
        FROM staged.current_cost ORDER BY source_id, record_no""") == [
        ("a", None, 2025, "知网", "期刊库", 123400050, "CNY"),
        ("a", None, 2025, "维普", None, 80000, "CNY"),
        ("b", "B", 2024, "P", "全库", 100000, "USD"),
    ]  # fmt: skip


def test_an_amount_told_again_takes_the_place_of_the_first():
    feeds = Feeds("a,A,costs,delta,")
    header = "year,platform,cost\n"
    feeds.take("a", {"1.csv": f"{header}2025,P,100\n2025,Q,5\n"})
    assert counts(feeds.take("a", {"2.csv": f"{header}2025,P,120\n2025,Q,5\n"})) == (2, 1, 0, 0, 1)
    assert rows("SELECT platform, cost_cents FROM staged.current_cost ORDER BY 1") == [("P", 12000), ("Q", 500)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2024-2025,P,,1", "year is no year"),
        (",P,,1", "year is empty"),
        ("2025,,,1", "neither platform nor package"),
        ("2025,P,,", "cost_cents is empty"),
        ("2025,P,,gratis", "cost_cents is no amount"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_row(line, reason):
    feeds = Feeds("a,A,costs,delta,")
    assert counts(feeds.take("a", {"c.csv": f"year,platform,package,cost\n2025,P,,1\n{line}\n"})) == (
        2,
        1,
        1,
        0,
        0,
    )
    ((told,),) = rows("SELECT reason FROM staged.rejected")
    assert told.startswith("row 3: ") and reason in told
