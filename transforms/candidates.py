"""What is compared of records, and which of them say the same.

Ibis expressions, written to mean the same on every engine; `digest` is a function that `warehouse.engine` gives to
each.
"""

import ibis
from ibis.expr.types import ArrayValue, IntegerValue, StringValue, Table, Value

from transforms.judgement import RECORD
from transforms.score import IDENTIFIERS

BLOCK_CAP = 500  # groups in a block that are still compared all with all

# Records that agree in all of these are the same to every later step.
COMPARED = (
    *IDENTIFIERS,
    "title_key",
    "full_title_key",
    "volume_key",
    "edition_key",
    "edition_stated",
    "creator_key",
    "creators_key",
    "publishers_key",
    "places_key",
    "country",
    "pages",
    "pub_year",
    "coded_year",
    "lang",
    "orig_lang",
    "carrier",
    "kind",
    "thesis",
)
FLAGS = ("edition_stated", "thesis")  # that are worked out of columns of other names
# What `prepare` reads of `staged.bib` beside POSITION: where all of it is the same, so is what it makes.
READ = (*(name for name in COMPARED if name not in FLAGS), "edition", "extent", "format", "langs")
# Values that name no language: they agree with every other.
NO_LANGUAGE = ("und", "mul", "zxx", "mis", "|||", "xxx", "")
NO_COUNTRY = ("xx", "xxx", "vp", "un")  # unknown, or several
# In an extent that counts them.  The letters, all in lower case, are those of Latin: engines take fifty times as
# long to make ready for those of every script.
VOLUMES = r"(^|[^a-zß-ɏ])v(ol)?s?([^a-zß-ɏ]|$)|册|冊"
LISTS = ("isbn", "issn", "creators_key", "publishers_key", "places_key")
POSITION = (*RECORD, "batch_id", "record_no")
SHARED, ONE_OF_SOURCE, ALONE = 0, 1, 2  # which records may be in one group with another
CN = len("CN 11-1234")
TITLE_START = 12  # characters of a title by which blocks are made


@ibis.udf.scalar.builtin
def digest(text: str) -> int:  # type: ignore[empty-body]
    """60 bits of the MD5 of a text, the same on every engine and for ever."""


def _as_text(values: ArrayValue) -> StringValue:
    """A list as sorted text; most have one value, and need no sorting."""
    return ibis.cases((values.length() == 1, values[0]), else_=values.sort().join("|")).nullif("")


def _standard_numbers(values: ArrayValue) -> ArrayValue:
    """DOIs and CN numbers of serials, these without the class that one library leaves out: CN 11-1234/G2."""
    known = values.filter(lambda number: number.re_search(r"^(10\.[0-9]{4,9}/|CN [1-8][0-9]-[0-9]{4}(/|$))"))
    return known.map(lambda number: ibis.cases((number.startswith("CN "), number.substr(0, CN)), else_=number))


def made(bib: Table) -> dict[str, Value]:
    """Of `prepare` the columns that are worked out; the others are those of `staged.bib`."""
    listed = {name: _as_text(bib[name]) for name in LISTS}
    listed["standard_no"] = _as_text(_standard_numbers(bib.standard_no))
    several = (bib.langs.length() > 1).fill_null(False)
    described = bib.pages.notnull() | bib.extent.lower().re_search(VOLUMES).fill_null(False)
    return {
        **listed,
        "edition_stated": bib.edition.notnull(),
        # revised or new, without a number: one library copies the one word, the next the other
        "edition_key": ibis.cases((bib.edition_key == "修订", "新"), else_=bib.edition_key),
        # MARC 21 and ISO 3166 name one country differently
        "country": ibis.cases(
            (bib.country.isin(NO_COUNTRY), ibis.null("string")),
            (bib.format == "marc21", ibis.literal("marc ") + bib.country),
            (bib.format.isin(("cnmarc", "unimarc")), ibis.literal("iso ") + bib.country),
        ),
        # of a text in several languages one library names this one first, the next that one
        "lang": ibis.cases((bib.lang.notin(NO_LANGUAGE) & ~several, bib.lang)),
        "orig_lang": ibis.cases((bib.orig_lang.notin(NO_LANGUAGE), bib.orig_lang)),
        # filmed from a volume and described by it, it is a copy of that edition; described as reels it is its own
        "carrier": ibis.cases(((bib.carrier == "microform") & described, "print"), else_=bib.carrier),
        # a thesis, or a kit of book and disc, is catalogued as a book by the next library
        "kind": ibis.cases((bib.kind.isin(("thesis", "mixed")), "book"), else_=bib.kind),
        # the school publishes theses of one title by several people
        "thesis": (bib.kind == "thesis").fill_null(False),
        # of the several ISBNs of a book, another record may give one
        "identity": ibis.coalesce(
            listed["isbn"].substr(0, 13), bib.calis_id, bib.lccn, bib.oclc, listed["issn"], listed["standard_no"]
        ),
    }


def prepare(bib: Table) -> Table:
    """The compared columns of `staged.bib`, lists as sorted text, and `identity`."""
    worked_out = made(bib)
    plain = [name for name in COMPARED if name not in worked_out]
    return bib.select(*POSITION, *plain, **worked_out)


def numbered(records: Table) -> Table:
    """Add `row`: the place of each record among all, by source and identifier, from 0."""
    return records.mutate(row=ibis.row_number().over(order_by=[records.source_id, records.record_id]))


def said(digested: Table) -> Table:
    """Add `said`: records that have it in common are one group.

    Args:
        digested: `transforms.contents.TOLD`, `numbered` and computed.
    """
    alike = digested.sharing == ONE_OF_SOURCE
    one, others = digested.filter(alike), digested.filter(~alike)
    first = one.row == one.row.min().over(group_by=["content", "source_id"])
    one = one.mutate(said=ibis.cases((first, one.content), else_=alone(one)))
    others = others.mutate(said=ibis.cases((others.sharing == SHARED, others.content), else_=alone(others)))
    return ibis.union(one, others)


def alone(records: Table) -> IntegerValue:
    """`said` of a record that is in a group of its own."""
    return digest(
        ibis.literal("\x1f").join([records.content.cast("string"), records.source_id, records.record_id])
    )


def firsts(records: Table) -> Table:
    """(said, row, title): the first record of each group.

    Args:
        records: `said`, computed.
    """
    return records.group_by("said").agg(row=records.row.min(), title=records.title.min())


def groups(records: Table, leaders: Table) -> Table:
    """(group, said, identity, COMPARED): what each group's records all say.

    Args:
        records: `prepare`.
        leaders: RECORD, group and said of one record of each group.
    """
    one = leaders.select(*RECORD, "group", "said")
    return records.inner_join(one, list(RECORD)).select("group", "said", "identity", *COMPARED)


def compared(candidates: Table, groups: Table) -> Table:
    """Each pair with the columns of both sides, as `left_…` and `right_…`: what `score` reads."""
    sides = {}
    for side in ("left", "right"):
        sides[side] = groups.select(**{f"{side}_{name}": groups[name] for name in groups.columns})
    joined = candidates.join(sides["left"], candidates.left == sides["left"].left_group)
    joined = joined.join(sides["right"], joined.right == sides["right"].right_group)
    return joined.drop("left", "right")
