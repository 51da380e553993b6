"""Match keys: what is made equal, and what stays apart."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import DESCRIPTION, MATCH_KEYS
from transforms import keys

from .staged_records import bibs


def key(column: str, **record: object) -> object:
    return bibs("a", [record])[column][0].as_py()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("數學 分析", "数学分析"),  # script and space
        ("ＡＢＣ　１２３", "abc 123"),  # full width
        ("馬克·吐溫傳", "马克•吐温传"),  # middle dots
        ("馬克‧吐溫傳", "馬克・吐溫傳"),
        ("L'Œuvre de Groß", "Oeuvre de gross"),  # ligature, sharp s, article
        ("Łódź : a history /", "Lodz: A History"),
        ("The \u2018Great\u2019 War", "great war"),
        ("Istorii\ufe20a\ufe21 Rossiĭ", "Istoriia Rossii"),  # half marks of romanised Russian
        ("\u0416\u0438\u0437\u043d\u044c", "жизнь"),
        ("Ｃ＋＋语言", "C++語言"),
        ("C♯ programming", "C# programming"),
        ("C# programming", "C sharp programming"),
        ("Vitamin B+C", "Vitamin B & C"),  # a sign between words is an and
    ],
)
def test_titles_made_equal(left: str, right: str) -> None:
    assert key("title_key", title=left) == key("title_key", title=right) is not None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("数学分析", "数学分析习题"),
        ("กา", "กี"),  # Thai vowels are marks, not letters
        ("C", "C++ primer"),
        ("C语言程序设计", "C++语言程序设计"),
        ("Programming in C++", "Programming in C"),
        ("C#入门", "C入门"),
        ("CompTIA A+ guide", "CompTIA A guide"),
    ],
)
def test_titles_kept_apart(left: str, right: str) -> None:
    assert key("title_key", title=left) != key("title_key", title=right)


def test_nothing_to_compare_gives_null() -> None:
    table = bibs("a", [{"title": "!!!", "subtitle": " "}, {}])
    for name in ("title_key", "full_title_key", "volume_key", "creator_key", "pages"):
        assert table[name].to_pylist() == [None, None], name
    assert table["edition_key"].to_pylist() == ["1", "1"]


def test_subtitle_is_in_the_full_title_only() -> None:
    table = bibs("a", [{"title": "紅樓夢 :", "subtitle": "程甲本"}])
    assert table["title_key"][0].as_py() == "红楼梦"
    assert table["full_title_key"][0].as_py() == "红楼梦程甲本"


def test_part_title_is_in_the_full_title_and_stands_for_a_missing_volume_number() -> None:
    table = bibs(
        "a", [{"title": "生活美學", "volume_title": "理趣"}, {"title": "x", "volume_no": "2", "volume_title": "y"}]
    )
    assert table["full_title_key"].to_pylist() == ["生活美学理趣", "xy"]
    assert table["volume_key"].to_pylist() == ["理趣", "2"]


def test_pinyin_is_never_used() -> None:
    with_pinyin = bibs("a", [{"title": "中国", "title_pinyin": "Zhong guo"}])
    without = bibs("a", [{"title": "中国"}])
    for column in MATCH_KEYS:
        assert with_pinyin[column.name].equals(without[column.name])


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("上册", "上"), ("中", "中"), ("下冊", "下"), ("第一册", "1"), ("第十二卷", "12"), ("第二十三辑", "23"),
        ("卷三", "3"), ("v. 1", "1"), ("V.1", "1"), ("Vol. II", "2"), ("Bd. 2", "2"), ("v. 2, pt. 1", "2.1"),
        ("第二卷上册", "2.上"), ("第2卷 (下)", "2.下"), ("Part A", "a"), ("1-3", "1-3"), ("Book two", "2"),
        ("第貳卷", "2"), ("人物卷", "人物卷"), ("007", "7"),
        ("上、下", "上.下"), ("上下册", "上.下"), ("上中游卷", "上中游卷"), ("下册 (全二册)", "下"),
        ("甲编", "甲"), ("甲", "甲"), ("装甲卷", "装甲卷"), ("后编", "后"), ("后汉书", "后汉书"),
        ("二〇一〇年", "2010"), ("三年级上册", "3.上"), ("第一学期", "1"), ("第一次世界大战", "第一次世界大战"),
        ("第一至五册", "1-5"), ("选修1", "选修.1"), ("必修1", "1"),
        ("Erster Band", "1"), ("p. 1", "1"), ("B. 1", "1"), ("d. 1", "1"), ("pt. B", "b"),
        ("Volume One", "1"), ("twenty-one", "21"), ("twenty-first", "21"),
    ],
)  # fmt: skip
def test_volume(given_text: str, expected: str) -> None:
    assert key("volume_key", title="x", volume_no=given_text) == expected


def test_how_many_volumes_there_are_is_no_volume() -> None:
    for name in ("volume_no", "volume_title", "subtitle"):
        assert key("volume_key", title="史记", **{name: "全二册"}) is None
    assert key("volume_key", title="史记(全三册)") is None


@pytest.mark.parametrize(
    ("title", "title_key", "volume_key"),
    [
        ("数据结构 (上册)", "数据结构", "上"),
        ("數據結構．下冊", "数据结构", "下"),
        ("资治通鉴 第三卷", "资治通鉴", "3"),
        ("数学(下)", "数学", "下"),
        ("论语", "论语", None),
        ("天下", "天下", None),  # not a volume
        ("第一卷", "第一卷", None),  # nothing would be left of the title
        ("数学分析 下", "数学分析", "下"),
        ("数学分析【上】", "数学分析", "上"),
        ("数学分析 上、下册", "数学分析", "上.下"),
        ("史記 全二冊", "史记", None),
        ("中国大全二册", "中国大全", "2"),
        ("资本论 第二卷 上册", "资本论", "2.上"),
        ("全唐诗 第1-5册", "全唐诗", "1-5"),
        ("汉书卷二", "汉书", "2"),
        ("考试试卷二", "考试试卷二", None),
        ("三部曲之二", "三部曲", "2"),
        ("三分之二", "三分之二", None),
        ("四大發明之一", "四大发明之一", None),  # one of the four
        ("中国十大名曲之一", "中国十大名曲之一", None),
        ("四大发明 之一", "四大发明", "1"),
        ("四大发明（之二）", "四大发明", "2"),
        ("射雕英雄传之二", "射雕英雄传", "2"),
        ("十分之三", "十分之三", None),
        ("秋兴八首·其三", "秋兴八首", "3"),
        ("故事选集之三", "故事选集", "3"),
        ("化学第二分册", "化学", "2"),
        ("国学丛书乙编", "国学丛书", "乙"),
        ("通史後編", "通史", "后"),
        ("物理 必修一", "物理", "1"),
        ("物理 必修2", "物理", "2"),
        ("语文 第二学期", "语文", "2"),
        ("數學Ⅱ", "数学", "2"),
        ("数学 II", "数学", "2"),
        ("数学（三）", "数学", "3"),
        ("History, vol. III", "history", "3"),
        ("History Volume Two", "history", "2"),
        ("Faust, Part One", "faust", "1"),
        ("Faust, Volume the second", "faust", "2"),
        ("史记 上海古籍", "史记上海古籍", None),
        ("山上", "山上", None),
        ("甲编", "甲编", None),
        ("Volume 2", "volume2", None),
        ("Henry IV", "henryiv", None),
        ("Hamlet 2", "hamlet2", None),
        ("数学 3", "数学3", None),
        ("GB/T 1234", "gbt1234", None),
        ("红楼梦续编", "红楼梦续编", "续编"),  # another book
        ("连续", "连续", None),
    ],
)
def test_volume_at_the_end_of_a_title(title: str, title_key: str, volume_key: str | None) -> None:
    table = bibs("a", [{"title": title}])
    assert (table["title_key"][0].as_py(), table["volume_key"][0].as_py()) == (title_key, volume_key)


@pytest.mark.parametrize(
    ("expected", "records"),
    [
        (
            "上",
            [{"volume_no": "上册"}, {"volume_title": "上册"}, {"subtitle": "上册"}, {"title": "数学分析 上册"}],
        ),
        ("2", [{"volume_no": "第二册"}, {"volume_title": "第2册"}, {"subtitle": "第二集"}, {"subtitle": "二"}]),
        ("2.上", [{"volume_no": "第二卷上册"}, {"volume_no": "2", "volume_title": "上册"}]),
        ("2", [{"volume_no": "2", "volume_title": "第二册"}, {"title": "数学分析II"}]),
    ],
)
def test_a_volume_says_the_same_wherever_it_stands(expected: str, records: list[dict[str, str]]) -> None:
    table = bibs("a", [{"title": "数学分析"} | record for record in records])
    assert set(table["volume_key"].to_pylist()) == {expected}
    for name in ("title_key", "full_title_key"):
        assert set(table[name].to_pylist()) == {"数学分析"}


@pytest.mark.parametrize(
    ("subtitle", "expected"),
    [
        ("基础篇 下冊", "下"), ("下卷 : 基础篇", "下"), ("古代卷 (上)", "上"), ("卷一", "1"), ("第1册", "1"),
        ("教程上册", None), ("第一集团军", None), ("上海卷", None), ("第二版", None), ("理论 上", None),
        ("中国文学丛书 第一辑", None),
    ],
)  # fmt: skip
def test_chinese_volume_in_a_subtitle(subtitle: str, expected: str | None) -> None:
    assert key("volume_key", title="数学分析", subtitle=subtitle) == expected


@pytest.mark.parametrize("text", ["上、中、" * 70, "1、" * 150, "第1册 " * 70 + "x", "卷1-" * 75, " " * 300])
def test_no_title_takes_long(text: str) -> None:
    assert len(bibs("a", [dict.fromkeys(("title", "subtitle", "volume_no", "volume_title"), text)])) == 1


@pytest.mark.parametrize(
    ("subtitle", "expected"),
    [
        ("second series, summer and autumn", "2"),
        ("Part third, for advanced scholars", "3"),
        ("book I-II", "1-2"),
        ("Pt. 2. Systematic", "2"),
        ("first book of botany", None),
        ("part of a series", None),
        ("volumes of verse", None),
        ("a series", None),
    ],
)
def test_volume_at_the_beginning_of_a_subtitle(subtitle: str, expected: str | None) -> None:
    assert key("volume_key", title="Essays", subtitle=subtitle) == expected
    assert key("volume_key", title="Essays", subtitle=subtitle, volume_no="v. 7") == "7"


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("第2版", "2"), ("第二版", "2"), ("2nd ed.", "2"), ("Second edition", "2"), ("2. Aufl.", "2"),
        ("2版", "2"),
        ("2e éd.", "2"), ("[2d ed.]", "2"), ("[2d] pictorial edition", "2"),
        ("3rd rev. ed.", "3"), ("第十一版", "11"), ("北京第2版", "2"),
        ("修订版", "修订"), ("修訂本", "修订"), ("Rev. ed.", "修订"), ("增订版", "修订"), ("New ed.", "新"),
        ("影印版", "影印"), ("Large print ed.", "大字"),
        ("第1版", "1"), ("1st ed.", "1"), ("First American ed.", "1"), ("初版", "1"), ("Dover ed.", "1"),
        ("1998 ed.", "1"), ("10th anniversary ed.", "1"), ("Unabridged", "1"), ("", "1"),
    ],
)  # fmt: skip
def test_edition(given_text: str, expected: str) -> None:
    assert key("edition_key", edition=given_text) == expected


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("Smith, John, 1950-", "smithjohn"), ("John Smith", "smithjohn"),
        ("Smith, John, 1950- author.", "smithjohn"),
        ("Smith, J. R. (John Robert), 1900-1980", "smithjr"), ("张三著", "张三"), ("張三 主編", "张三"),
        ("(美) 史密斯 (Smith, J.) 著", "史密斯"), ("[清] 曹雪芹", "曹雪芹"), ("胡適, 1891-1962", "胡适"),
        ("David B. Lomet", "lometdavidb"), ("C. J. van Rijsbergen", "rijsbergencjvan"), ("É. Zola", "zolae"),
        ("Smith Inst. of Art", "smithinstofart"), ("H.-J. Klein", "kleinhj"),
        ("Felicity A. W. George", "georgefelicityaw"),
        ("馬克·吐溫", "马克吐温"), ("United States. Congress. House.", "unitedstatescongresshouse"),
    ],
)  # fmt: skip
def test_creator(given_text: str, expected: str) -> None:
    assert key("creator_key", creators=[given_text, "Other, Another"]) == expected


def test_creator_from_the_statement_where_no_heading_is() -> None:
    assert key("creator_key", resp_first="王五编著") == "王五"
    assert key("creators_key", resp_first="王五编著") == ["王五"]


def test_all_creators_in_order() -> None:
    records = [
        {"creators": ["Smith, John", "!", "李四著"]},
        {"creators": []},
        {"creators": ["B"], "resp_first": "x"},
    ]
    table = bibs("a", records)
    assert table["creators_key"].to_pylist() == [["smithjohn", "李四"], [], ["b"]]
    assert table["creator_key"].to_pylist() == ["smithjohn", None, "b"]


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("xii, 345 p. :", 345), ("123页", 123), ("2, 31, 399 p., [1] p. of plates", 399), ("3 v. ;", None),
        ("2册(1200页)", 1200), ("345", 345), ("23 leaves", 23), ("1 online resource", None), ("１２３頁", 123),
    ],
)  # fmt: skip
def test_pages(given_text: str, expected: int | None) -> None:
    assert key("pages", extent=given_text) == expected


def test_publisher_without_company_words() -> None:
    table = bibs(
        "a", [{"publisher": name} for name in ("Wiley & Sons, Inc.", "Wiley & sons", "Press", "北京大學出版社")]
    )
    assert table["publishers_key"].to_pylist() == [["wileysons"], ["wileysons"], ["press"], ["北京大学"]]


def test_all_publishers_and_places_have_keys_but_those_unknown() -> None:
    named = {"publishers": ["P. Allan", "St. Martin's Press"], "pub_places": ["Oxford", "New York, NY"]}
    given = [
        named | {"publisher": "P. Allan", "pub_place": "Oxford"},
        {"publishers": ["[s.n.]"], "pub_places": ["[S.l."], "publisher": "[s.n.]", "pub_place": "[S.l."},
        {"publishers": ["[publisher not identified]", "出版者不详"], "pub_places": ["[出版地不详]", "[n.p.]"]},
        {"publisher": "Samuel French"},  # of a distributor's statement
    ]
    table = bibs("a", given)
    assert table["publishers_key"].to_pylist() == [["pallan", "stmartins"], [], [], ["samuelfrench"]]
    assert table["places_key"].to_pylist() == [["oxford", "newyorkny"], [], [], []]


def test_columns_are_appended_in_order_and_replaced() -> None:
    plain = pa.schema([(column.name, column.type) for column in DESCRIPTION]).empty_table()
    once = keys.add(plain)
    names = [column.name for column in MATCH_KEYS]
    assert once.schema.names[-len(names) :] == names
    assert keys.add(once).schema == once.schema
    assert [once.schema.field(column.name).type for column in MATCH_KEYS] == [c.type for c in MATCH_KEYS]


def test_chunked_input_gives_the_same_keys() -> None:
    records = [{"title": f"数学 {n % 3}", "creators": ["李四著"], "edition": "2版"} for n in range(7)]
    whole = bibs("a", records)
    chunked = keys.add(pa.concat_tables([whole.slice(0, 3), whole.slice(3)]))
    assert chunked.combine_chunks().to_pylist() == whole.to_pylist()


TEXT = st.one_of(st.none(), st.text(max_size=40))


@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(("title", "volume_no", "edition", "extent", "publisher"), TEXT)))
)
def test_no_text_breaks_a_key(records: list[dict[str, str | None]]) -> None:
    for record in records:
        record["creators"] = [record["publisher"] or ""]
    table = bibs("a", records)
    assert len(table) == len(records)
    assert table["edition_key"].null_count == 0
