"""What crosswalks may do with a value."""

import pyarrow as pa
import pytest

from transforms.clean import cleaner


@pytest.mark.parametrize(
    ("name", "given_as", "expected"),
    [
        ("isbd", "Managing knowledge :", "Managing knowledge"),
        ("isbd", "P. H. Mallen Company,", "P. H. Mallen Company"),
        ("isbd", " / ", None),
        ("title", "Botanical materia medica.", "Botanical materia medica"),
        ("title", "Lectures on U.S.A.", "Lectures on U.S.A."),
        ("title", "头戴之硬盔。", "头戴之硬盔"),
        ("title", "Wait ...", "Wait ..."),
        ("year", "c2000.", "2000"),
        ("year", "２００８", "2008"),
        ("year", "民国36年[1947]", "1947"),
        ("year", "民國36", "1947"),
        ("year", "Minguo 87", "1998"),
        ("year", "19--", None),
        ("year", "12345", None),
        ("language", "eng", "eng"),
        ("language", "ENGFRE", "eng"),
        ("language", "zh-CN", "chi"),
        ("language", "|||", None),
        ("language", "Englisch", None),
        ("code", "nyu", "nyu"),
        ("code", "###", None),
        ("in_brackets", "7503717440（精装）", "精装"),
        ("qualifier", "(pbk. :", "pbk."),
        ("web_address", "http://a.example/x", "http://a.example/x"),
        ("web_address", "see the library", None),
        ("labelled_isbn", "urn:isbn:9787503717444", "9787503717444"),
        ("map:kind_marc21", "am", "book"),
        ("map:kind_marc21", "as", "serial"),
        ("map:kind_marc21", "a?", "book"),
        ("map:gmd", "[Electronic resource] :", "electronic"),
        ("format_carrier", "application/pdf", "electronic"),
        ("format_carrier", "xi, 224 p. ; 23 cm.", "print"),
        ("format_carrier", "text", None),
        ("constant:thesis", "Thesis (Ph. D.)", "thesis"),
        ("constant:thesis", None, None),
        ("isbd", None, None),
    ],
)
def test_clean(name, given_as, expected):
    assert cleaner(name)(pa.array([given_as, None], pa.string())).to_pylist() == [expected, None]
