"""MODS, DIM, XOAI and qualified Dublin Core as fields, and through their crosswalks."""

import pyarrow as pa
import pytest
from lxml import etree

from transforms import crosswalk, xml_metadata
from transforms.clean import cleaner
from transforms.field_columns import Columns

QDC = """<qdc:qualifieddc xmlns:qdc="http://dspace.org/qualifieddc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:dcterms="http://purl.org/dc/terms/"><dc:title>知识管理</dc:title>
<dcterms:alternative>Managing knowledge</dcterms:alternative><dc:creator>王五</dc:creator>
<dcterms:issued>2019-06</dcterms:issued><dcterms:abstract>提要</dcterms:abstract><dc:language>zh</dc:language>
<dcterms:isPartOf>ISSN 0317-8471</dcterms:isPartOf></qdc:qualifieddc>"""
DIM = """<dim:dim xmlns:dim="http://www.dspace.org/xmlns/dspace/dim">
<dim:field mdschema="dc" element="title">知识管理</dim:field>
<dim:field mdschema="dc" element="title" qualifier="alternative" lang="en">Managing knowledge</dim:field>
<dim:field mdschema="dc" element="contributor" qualifier="author">王五</dim:field>
<dim:field mdschema="dc" element="date" qualifier="issued">2019-06</dim:field>
<dim:field mdschema="dc" element="description" qualifier="abstract">提要</dim:field>
<dim:field mdschema="dc" element="identifier" qualifier="issn">0317-8471</dim:field>
<dim:field mdschema="dc" element="language" qualifier="iso">zh</dim:field></dim:dim>"""
XOAI = """<metadata xmlns="http://www.lyncode.com/xoai">
<element name="dc">
<element name="title">
<element name="none"><field name="value">知识管理</field></element>
<element name="alternative">
<element name="en"><field name="value">Managing knowledge</field></element>
</element></element>
<element name="contributor">
<element name="author">
<element name="none"><field name="value">王五</field>
<field name="authority">0000-1</field></element></element></element>
<element name="date">
<element name="issued">
<element name="none"><field name="value">2019-06</field></element>
</element></element>
<element name="description">
<element name="abstract">
<element name="none"><field name="value">提要</field></element>
</element>
</element>
<element name="identifier">
<element name="issn">
<element name="none"><field name="value">0317-8471</field>
</element></element></element>
<element name="language">
<element name="iso">
<element name="none"><field name="value">zh</field></element>
</element></element></element>
<element name="others"><field name="handle">123/4</field></element></metadata>"""
MODS = """<mods xmlns="http://www.loc.gov/mods/v3"><titleInfo><nonSort>The</nonSort><title>knowledge</title>
<subTitle>a history</subTitle></titleInfo>
<titleInfo type="alternative"><title>Managing knowledge</title></titleInfo>
<name type="personal"><namePart type="given">Wu</namePart><namePart type="family">Wang</namePart>
<namePart type="date">1950-</namePart><role><roleTerm type="text">author</roleTerm></role></name>
<originInfo><place><placeTerm type="text">北京</placeTerm></place><publisher>中华书局</publisher>
<dateIssued point="end">2021</dateIssued><dateIssued>2019</dateIssued></originInfo>
<language><languageTerm type="code" authority="iso639-2b">chi</languageTerm></language>
<identifier type="isbn">9787503727900</identifier><identifier type="isbn">12345</identifier>
<subject><topic>Ethics</topic><geographic>China</geographic></subject>
<classification authority="ddc">170</classification>
<relatedItem type="host"><titleInfo><title>Series</title></titleInfo>
</relatedItem></mods>"""
DOAJ = """<d:doajArticle xmlns:d="http://doaj.org/features/oai_doaj/1.0/"><d:language>eng</d:language>
<d:publisher>Press</d:publisher><d:journalTitle>Journal of Tests</d:journalTitle><d:issn>0317-8471</d:issn>
<d:publicationDate>2019-06-01</d:publicationDate><d:doi>10.1000/182</d:doi>
<d:title language="eng">Knowledge.</d:title>
<d:authors><d:author><d:name>Wu Wang</d:name><d:affiliationId>0</d:affiliationId>
<d:orcid_id>https://orcid.org/0000-0002-1825-0097</d:orcid_id></d:author></d:authors><d:affiliationsList>
<d:affiliationName affiliationId="0">Somewhere</d:affiliationName></d:affiliationsList>
<d:fullTextUrl format="pdf">https://example.org/1.pdf</d:fullTextUrl>
<d:keywords language="eng"><d:keyword>; Ethics</d:keyword></d:keywords></d:doajArticle>"""
HEADER = "<header><identifier>oai:x:1</identifier><datestamp>2026-01-02</datestamp></header>"


def flatten(text):
    return xml_metadata.flatten(etree.fromstring(text), etree.fromstring(HEADER))


def described(text):
    fields, form = flatten(text)
    columns = Columns()
    columns.record(0, 0, b"", "utf-8", form)
    columns.add(fields)
    found = crosswalk.describe(crosswalk.Fields(columns.chunk().fields, 0, 1), form)
    return {name: values[0].as_py() for name, values in found.items()}


@pytest.mark.parametrize(("text", "form"), [(QDC, "qdc"), (DIM, "dim"), (XOAI, "xoai")])
def test_one_description_in_three_forms(text, form):
    assert flatten(text)[1] == form
    found = described(text)
    assert (found["title"], found["parallel_title"]) == ("知识管理", "Managing knowledge")
    assert (found["creators"], found["issn"], found["pub_year"]) == (["王五"], ["0317-8471"], 2019)
    assert (found["abstract"], found["lang"], found["updated_at"]) == ("提要", "chi", "2026-01-02")


def test_dim_and_xoai_have_the_same_tags():
    dim, xoai = ([field[0] for field in flatten(text)[0]] for text in (DIM, XOAI))
    assert set(dim) < set(xoai)
    assert set(xoai) - set(dim) == {"dc.contributor.author@authority", "others.handle"}


def test_mods():
    found = described(MODS)
    assert (found["title"], found["subtitle"], found["parallel_title"]) == (
        "The knowledge",
        "a history",
        "Managing knowledge",
    )
    assert (found["creators"], found["pub_place"], found["publisher"]) == (["Wang, Wu"], "北京", "中华书局")
    assert (found["pub_year"], found["lang"], found["isbn"], found["bad_isbn"]) == (
        2019,
        "chi",
        ["9787503727900"],
        ["12345"],
    )
    assert (found["subjects"], found["ddc"], found["series"]) == (["Ethics--China"], ["170"], ["Series"])
    tags = {field[0] for field in flatten(MODS)[0]}
    assert {"name/namePart", "name/role/roleTerm@text", "identifier@isbn", "originInfo/dateIssued@end"} - tags <= {
        "name/role/roleTerm@text"
    }


def test_an_article_of_doaj_in_its_own_schema():
    assert flatten(DOAJ)[1] == "oai_doaj"
    assert {name: value for name, value in described(DOAJ).items() if value} == {
        "title": "Knowledge",
        "creators": ["Wu Wang"],
        "orcid": ["0000-0002-1825-0097"],
        "publisher": "Press",
        "publishers": ["Press"],
        "pub_year": 2019,
        "lang": "eng",
        "langs": ["eng"],
        "kind": "article",
        "carrier": "electronic",
        "series": ["Journal of Tests"],
        "issn": ["0317-8471"],
        "standard_no": ["10.1000/182"],
        "url": ["https://example.org/1.pdf"],
        "subjects": ["Ethics"],
        "updated_at": "2026-01-02",
    }


@pytest.mark.parametrize(
    "wrapper", ["<modsCollection>{}</modsCollection>", "<mets><dmdSec><xmlData>{}</xmlData></dmdSec></mets>"]
)
def test_wrapped_mods(wrapper):
    assert flatten(wrapper.format(MODS)) == flatten(MODS)


def test_plain_dublin_core_stays():
    text = (
        '<dc xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>t</dc:title><!-- c --><dc:date> </dc:date></dc>'
    )
    assert flatten(text) == (
        [("header:datestamp", None, None, [(None, "2026-01-02")]), ("title", None, None, [(None, "t")])],
        "oai_dc",
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Sch&amp;#246;n", "Schön"),
        ("Sch&amp;ouml;n &amp;amp; Co", "Schön & Co"),
        ("AT&amp;T; research", "AT&T; research"),
        ("?a=1&amp;copy=2", "?a=1&copy=2"),
    ],
)
def test_a_character_escaped_twice_is_one(written, read):
    fields, _ = flatten(f'<dc xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{written}</dc:title></dc>')
    assert fields[1] == ("title", None, None, [(None, read)])


@pytest.mark.parametrize("form", ["qdc", "dim", "xoai", "mods", "oai_doaj"])
def test_crosswalks_load_and_name_no_unknown_cleaner(form):
    for line in crosswalk.load(form):
        cleaner(line.clean)(pa.array(["x"]))
