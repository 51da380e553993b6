"""From records to the pairs worth comparing: collapse records that say the same, and block.

Ibis expressions, written to mean the same on every engine; `digest` and `bucket` are functions that
`warehouse.engine` gives to each.
"""

import ibis
from ibis.expr.types import ArrayValue, IntegerValue, StringValue, Table

from transforms.judgement import RECORD
from transforms.score import IDENTIFIERS

BLOCK_CAP = 500  # groups in a block that are still compared all with all
NEIGHBOURS = 8  # in a larger block each group is compared with the next ones by title, creator and year

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
)
# Values that name no language: they agree with every other.
NO_LANGUAGE = ("und", "mul", "zxx", "mis", "|||", "xxx", "")
NO_COUNTRY = ("xx", "xxx", "vp", "un")  # unknown, or several
VOLUMES = r"(^|[^\p{L}])v(ol)?s?([^\p{L}]|$)|册|冊"  # in an extent that counts them
LISTS = ("isbn", "issn", "creators_key", "publishers_key", "places_key")
POSITION = (*RECORD, "batch_id", "record_no")
SHARED, ONE_OF_SOURCE, ALONE = 0, 1, 2  # which records may be in one group with another
TITLE_START = 12  # characters of a title by which blocks are made


@ibis.udf.scalar.builtin
def digest(text: str) -> int:  # type: ignore[empty-body]
    """60 bits of the MD5 of a text, the same on every engine and for ever."""


@ibis.udf.scalar.builtin
def bucket(text: str) -> int:  # type: ignore[empty-body]
    """A hash of a text, of the engine's own."""


def _as_text(values: ArrayValue) -> StringValue:
    """A list as sorted text; most have one value, and need no sorting."""
    return ibis.cases((values.length() == 1, values[0]), else_=values.sort().join("|")).nullif("")


def prepare(bib: Table) -> Table:
    """The compared columns of `staged.bib`, lists as sorted text."""
    listed = {name: _as_text(bib[name]) for name in LISTS}
    described = bib.pages.notnull() | bib.extent.lower().re_search(VOLUMES).fill_null(False)
    made = {
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
        "lang": ibis.cases((bib.lang.notin(NO_LANGUAGE), bib.lang)),
        # filmed from a volume and described by it, it is a copy of that edition; described as reels it is its own
        "carrier": ibis.cases(((bib.carrier == "microform") & described, "print"), else_=bib.carrier),
        # a thesis, or a kit of book and disc, is catalogued as a book by the next library
        "kind": ibis.cases((bib.kind.isin(("thesis", "mixed")), "book"), else_=bib.kind),
    }
    plain = {name: bib[name] for name in COMPARED if name not in made}
    return bib.select(
        *POSITION,
        **plain,
        **made,
        # of the several ISBNs of a book, another record may give one
        identity=ibis.coalesce(listed["isbn"].substr(0, 13), bib.calis_id, bib.lccn, bib.oclc, listed["issn"]),
    )


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


def _text(*parts: StringValue) -> StringValue:
    key = parts[0]
    for part in parts[1:]:
        key = key + "/" + part
    return key


def blocks(groups: Table) -> Table:
    """(rule, key, group): the places where groups meet to be compared."""
    start = groups.full_title_key.substr(0, TITLE_START)
    title = groups.full_title_key
    end = title.substr(ibis.greatest(title.length() - TITLE_START, 0), TITLE_START)
    short = groups.title_key.substr(0, TITLE_START).nullif(start)
    creator, surname = groups.creator_key.substr(0, 12), groups.creator_key.substr(0, 6)
    pages, year, coded = (groups[name].cast("string") for name in ("pages", "pub_year", "coded_year"))
    single = [
        ("calis_id", groups.calis_id),
        ("lccn", groups.lccn),
        ("oclc", groups.oclc),
        ("ubsn", groups.ubsn),
        ("title, creator", _text(start, surname)),
        ("title, year", _text(start, year)),
        ("title, year", _text(start, coded.nullif(year))),  # either year may be the other's
        ("title, pages", _text(start, pages)),
        ("title, pages", _text(short, pages)),  # of one who left out the subtitle
        ("end of title, pages", _text(end, pages)),
        # articles, and what else is known without pages
        ("end of title, year", groups.pages.isnull().ifelse(_text(end, year), ibis.null("string"))),
        ("creator, pages", _text(surname, pages)),
        ("creator, year", _text(creator, year)),
    ]
    tables = [groups.select(rule=ibis.literal(rule), key=key, group=groups.group) for rule, key in single]
    for name in ("isbn", "issn"):
        listed = groups.filter(groups[name].notnull())
        number = listed[name].re_split("[|]").unique().unnest()  # Spark's split takes patterns only
        tables.append(listed.select(rule=ibis.literal(name), key=number, group=listed.group))
    together = ibis.union(*tables)
    return together.filter(together.key.notnull())


def block(blocked: Table) -> IntegerValue:
    """The number of a block."""
    return bucket(_text(blocked.rule, blocked.key))


def placed(groups: Table) -> Table:
    """(block, group): `blocks` by number."""
    blocked = blocks(groups)
    return blocked.select(block=block(blocked), group=blocked.group)


def places(placed: Table, groups: Table) -> Table:
    """(block, group, place): the groups of large blocks, set in order of title, creator and year.

    Args:
        placed: `placed`, the rows of these blocks alone.
    """
    member = placed.join(groups, "group")
    order = [member.full_title_key, member.creator_key, member.pub_year, member.said]
    place = ibis.row_number().over(group_by=[member.block], order_by=order)
    return member.select("block", "group", place=place)


def neighbours(ordered: Table) -> Table:
    """(left, right): the groups of large blocks that are compared, left < right.

    Args:
        ordered: `places`, computed.
    """
    step = ibis.array(list(range(1, NEIGHBOURS + 1))).unnest()
    steps = ordered.select(near_block=ordered.block, near=ordered.group, first=ordered.place, step=step)
    steps = steps.mutate(at=steps.first + steps.step)
    near = ordered.join(steps, [("block", "near_block"), ("place", "at")])
    return near.select(left=ibis.least(near.group, near.near), right=ibis.greatest(near.group, near.near))


def named(groups: Table) -> Table:
    """(block, rule, key): what the blocks of some groups stand for."""
    blocked = blocks(groups)
    return blocked.select("rule", "key", block=block(blocked)).distinct()


def compared(candidates: Table, groups: Table) -> Table:
    """Each pair with the columns of both sides, as `left_…` and `right_…`: what `score` reads."""
    sides = {}
    for side in ("left", "right"):
        sides[side] = groups.select(**{f"{side}_{name}": groups[name] for name in groups.columns})
    joined = candidates.join(sides["left"], candidates.left == sides["left"].left_group)
    joined = joined.join(sides["right"], joined.right == sides["right"].right_group)
    return joined.drop("left", "right")
