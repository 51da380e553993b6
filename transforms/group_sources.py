"""The sources of groups: two records of one source are different books, unless they have one identifier."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numba import njit

from transforms.lookup_kernel import NONE, Flags, Ints
from transforms.pair_kernel import Ends, in_ranges
from transforms.part_kernel import Parts

ANY = -1  # an attribute that is not known and agrees with every other


class Groups(NamedTuple):
    """What is told of groups."""

    starts: Ints  # the sources of group g, of each of its records, are `sources[starts[g]:ends[g]]`
    ends: Ints
    sources: Ints  # codes
    identity: Ints  # a number for its identifier, or `ANY`; records of one source stay apart unless equal
    codes: int  # how many there are


@njit(cache=True, nogil=True)
def _share_source(left, right, asked, starts, ends, sources, identity, codes, begin, end):
    found, held_by, marked = np.zeros(end - begin, np.bool_), np.full(codes, NONE, np.int32), NONE
    for at in range(begin, end):
        one, other = left[at], right[at]
        if not asked[at] or (identity[one] != ANY and identity[one] == identity[other]):
            continue
        if one != marked:  # it stands at the left several times in a row
            for nth in range(starts[one], ends[one]):
                held_by[sources[nth]] = one
            marked = one
        for nth in range(starts[other], ends[other]):
            if held_by[sources[nth]] == one:
                found[at - begin] = True
                break
    return found


def share_source(pool: Executor, pairs: Ends, asked: Flags, groups: Groups) -> Ints:
    """The rows of those pairs, where they are asked for, whose groups have two records of one source."""
    told = groups.starts, groups.ends, groups.sources, groups.identity, groups.codes
    given = pairs.left, pairs.right, asked, *told
    found = in_ranges(pool, len(pairs.row), lambda *rows: _share_source(*given, *rows))
    return pairs.row[np.concatenate([np.zeros(0, bool), *found])]


@njit(cache=True, nogil=True)
def one_record_each(members, starts, ends, sources, identity, seen_in, seen_as, mark):
    """Whether no source has two different records in some groups together.

    Args:
        seen_in, seen_as: of each source, where it was seen last, and as what; with `mark` nowhere yet.
    """
    for group in members:
        for at in range(starts[group], ends[group]):
            source = sources[at]
            if seen_in[source] == mark and (identity[group] == ANY or seen_as[source] != identity[group]):
                return False
            seen_in[source], seen_as[source] = mark, identity[group]
    return True


@njit(cache=True, nogil=True)
def _quiet(members, parts, cluster, unsure, changed, starts, ends, sources, identity, seen_in, seen_as):
    out = np.zeros(len(parts) - 1, np.bool_)
    for part in range(len(out)):
        some = members[parts[part] : parts[part + 1]]
        looked_at, quiet = False, True
        for group in some:
            quiet = quiet and not unsure[group] and cluster[group] == cluster[some[0]]
            looked_at |= changed[group]
        if quiet and looked_at:
            quiet = one_record_each(some, starts, ends, sources, identity, seen_in, seen_as, part)
        out[part] = quiet
    return out


def quiet(parts: Parts, cluster: Ints, unsure: Flags, changed: Flags, groups: Groups) -> Flags:
    """Which parts are one cluster, as is known without joining: nothing stands against any of their edges.

    What was in one cluster agrees in all attributes, and only the sources of groups that changed can stand
    against it.

    Args:
        cluster: of each group before its part changed.
        unsure: of each group, whether its cluster tells nothing: it is new, met others, or people judged it.
        changed: of each group, whether its sources changed.
    """
    told = groups.starts, groups.ends, groups.sources, groups.identity
    seen = np.full(groups.codes, -1, np.int32), np.empty(groups.codes, groups.identity.dtype)
    return np.asarray(_quiet(parts.groups, parts.starts, cluster, unsure, changed, *told, *seen))
