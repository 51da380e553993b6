"""Times as libraries write them: with 上午 and 下午, AM and PM, full width; and those that name no moment."""

from datetime import date, datetime

import pyarrow as pa

from quality import reasons
from transforms.usage import clock

from .usage_lake import Feeds, counts, rows, workbook

HEADER = "流水号,操作类型,操作时间,条码号"
READ = {  # on 1 March 2024, by the clock of the library
    "2024/3/1 下午 02:05:00": "14:05", "2024-03-01 下午2:05": "14:05", "2024/3/1下午2:05": "14:05",
    "下午 2:05:00 2024/3/1": "14:05", "2:05 下午 2024-03-01": "14:05", "2024/3/1 02:05:00 下午": "14:05",
    "2024年3月1日 下午2时5分": "14:05", "2024年3月1日星期五 下午 2:05": "14:05", "2024年3月1日下午2點": "14:00",
    "２０２４／３／１　下午　０２：０５：００": "14:05", "2024-3-1 14：05": "14:05", "20240301 下午2:05": "14:05",
    "2024-03-01 2:05 PM": "14:05", "2024-03-01 2:05:09 p.m.": "14:05:09", "2024/3/1 2:05\u202fpm": "14:05",
    "2024/3/1 AM 2:05": "02:05", "01-Mar-2024 2:05 PM": "14:05", "1-Mar-2024 14:05": "14:05",
    "2024/3/1 下午2:05:07.000": "14:05:07", "2024/3/1 上午 9:05": "09:05", "2024-3-1 14時05分": "14:05",
    # the edges of both clocks of twelve hours, and the word beside an hour of 24
    "2024/3/1 上午 12:05": "00:05", "2024/3/1 上午 00:05": "00:05", "2024/3/1 下午 12:05": "12:05",
    "2024/3/1 下午 0:05": "12:05", "2024/3/1 下午 13:05": "13:05", "2024/3/1 下午 23:59": "23:59",
    # other parts of the day, where the hour leaves no doubt
    "2024/3/1 凌晨 12:05": "00:05", "2024/3/1 凌晨 3:05": "03:05", "2024/3/1 清晨 6:05": "06:05",
    "2024/3/1 中午 12:05": "12:05", "2024/3/1 中午 1:05": "13:05", "2024/3/1 晚上 8:05": "20:05",
    "2024/3/1 晚上 20:05": "20:05",
}  # fmt: skip
NO_MOMENT = ("2024/3/1 上午 13:05", "2024/3/1 晚上 12:05", "2024/3/1 晚上 1:05", "2024/3/1 凌晨 9:05",
             "2024/3/1 中午 6:05", "2024/3/1 PM 24:05")  # fmt: skip
NO_TIME = ("2024/3/1 下午", "2024/3/1 下午 2:61", "3/1/2024 2:05 PM", "下午2:05", "2024/3/1 上午9:00 下午2:05")


def test_times_of_twelve_hours_and_of_full_width_are_read():
    lines = [f"{n},借,{time},B1" for n, time in enumerate(READ)]
    outcome = Feeds("a,A,loans,delta,").take("a", {"loans.csv": "\n".join([HEADER, *lines]).encode("gb18030")})
    assert counts(outcome) == (len(READ), len(READ), 0, 0, 0)
    seen = rows("SELECT event_time + INTERVAL 8 HOUR, event_date FROM staged.loan ORDER BY CAST(event_id AS INT)")
    expected = [(datetime.fromisoformat(f"2024-03-01 {time}"), date(2024, 3, 1)) for time in READ.values()]
    assert dict(zip(READ, seen, strict=True)) == dict(zip(READ, expected, strict=True))


def test_an_hour_that_does_not_go_with_its_part_of_the_day_is_refused_and_says_so():
    lines = [f"{n},借,{time},B1" for n, time in enumerate((*NO_MOMENT, *NO_TIME))]
    outcome = Feeds("a,A,loans,delta,").take("a", {"loans.csv": "\n".join([HEADER, *lines])})
    assert counts(outcome)[1:3] == (0, len(lines))
    told = [row[0] for row in rows("SELECT reason FROM staged.rejected ORDER BY record_no")]
    assert all("its hour does not go with its word" in one for one in told[: len(NO_MOMENT)])
    assert all("event_time is no time (its form: " in one for one in told[len(NO_MOMENT) :])
    assert "小时与“上午”“下午”等字样不符" in str(reasons.in_chinese(told[0]))


def test_dates_and_months_may_have_a_part_of_the_day_and_full_width():
    sheet = workbook(
        [["统计月份", "馆藏条码", "入藏日期", "价格"],
         ["2024/3/1 上午 12:00:00", "B1", "2020/5/1 上午 12:00:00", "１，０２８．５０元"],
         ["２０２４－０３", "B2", "２０２０年５月１日", "12.5"]],
    )  # fmt: skip
    assert counts(Feeds("a,A,items,delta,").take("a", {"items.xlsx": sheet}))[:3] == (2, 2, 0)
    seen = rows("SELECT month, accession_date, price_cents FROM staged.item_month ORDER BY barcode")
    assert seen == [(date(2024, 3, 1), date(2020, 5, 1), 102_850), (date(2024, 3, 1), date(2020, 5, 1), 1_250)]


def test_a_name_in_a_column_of_times_is_still_only_its_form():
    Feeds("a,A,loans,delta,").take("a", {"loans.csv": f"{HEADER}\n1,借,下午张三,B1\n2,借,中午 王小五 2:05,B1\n"})
    told = rows("SELECT decode(content) FROM staged.rejected")
    assert len(told) == 2 and not any("张三" in one or "王小五" in one for (one,) in told)


def test_cells_without_anything_of_the_kind_stay_as_they_are():
    cells = pa.array(["2024-03-01 14:05", None, "01-Apr-2024", "2024年3月1日14时5分"])
    assert clock.by_24_hours(cells) == (cells, None)
