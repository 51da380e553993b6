"""Lists of the records of groups, which stand one behind the other."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit

from transforms.lookup_kernel import Ints
from transforms.record_index import stands


class Lists(NamedTuple):
    """The records of groups: those of group g are `members[starts[g]:ends[g]]`, in order."""

    starts: Ints
    ends: Ints
    members: Ints  # rows
    sources: Ints  # of each of them, codes


@njit(cache=True, nogil=True)
def _listed(group, source, groups):
    starts = np.zeros(groups + 1, np.int32)
    for one in group:
        starts[one + 1] += 1
    starts = np.cumsum(starts).astype(np.int32)
    ends, members, sources = starts[:-1].copy(), np.empty_like(group), np.empty(len(group), np.int32)
    for row in range(len(group)):
        place = ends[group[row]]
        members[place], sources[place] = row, source[row]
        ends[group[row]] += 1
    return starts[:-1].copy(), ends, members, sources


def listed(group: Ints, source: Ints, groups: int) -> Lists:
    """All records in lists, where they stand in order.

    Args:
        group, source: of each record; the latter a code.
        groups: how many there are.
    """
    return Lists(*_listed(group, source, groups))


class Moves(NamedTuple):
    """Records that joined groups, or left them."""

    rows: Ints
    groups: Ints

    def in_order(self, base: int, keys: Ints) -> "Moves":
        """Group by group, and in order within each, which `stands` tells."""
        nth = np.lexsort((_stand(self.rows, base, keys), self.groups))
        return Moves(self.rows[nth], self.groups[nth])

    def of(self, groups: Ints) -> Ints:
        """Where those of each of some groups, all in ascending order, begin; and where the last ones end."""
        end = np.searchsorted(self.groups, groups[-1:], side="right")
        return np.append(np.searchsorted(self.groups, groups), end)


@njit(cache=True, nogil=True)
def _changed(asked, lists, joined, joined_starts, left, left_starts, source, base, keys, out):
    """Fill `out`, which has room enough; how many records there are.

    Room is numpy's, as for all that is long: it asks for large pages, which are made ready sooner than many small.
    """
    starts, ends, members, sources = lists
    out_starts, out_ends, out_members, out_sources = out
    count = 0
    for nth in range(len(asked)):
        at, behind = starts[asked[nth]], ends[asked[nth]]
        more, more_end = joined_starts[nth], joined_starts[nth + 1]
        less, less_end = left_starts[nth], left_starts[nth + 1]
        out_starts[nth] = count
        while at < behind or more < more_end:
            if at < behind and less < less_end and members[at] == left[less]:
                at, less = at + 1, less + 1
                continue
            joins = more < more_end
            if joins and at < behind:
                joins = stands(joined[more], base, keys) < stands(members[at], base, keys)
            if joins:
                out_members[count], out_sources[count] = joined[more], source[more]
                more += 1
            else:
                out_members[count], out_sources[count] = members[at], sources[at]
                at += 1
            count += 1
        out_ends[nth] = count
    return count


def changed(asked: Ints, lists: Lists, joined: Moves, source: Ints, left: Moves, base: int, keys: Ints) -> Lists:
    """The records of some groups, which are in lists as they were before some left and others joined.

    Args:
        asked: the groups, in ascending order.
        joined, left: of these groups alone, `in_order`.
        source: of each that joined, as a code.
        base, keys: as `stands` has them.
    """
    most = len(joined.rows) + int((lists.ends[asked] - lists.starts[asked]).sum())
    out = Lists(*(np.empty(size, np.int32) for size in (len(asked), len(asked), most, most)))
    moves = joined.rows, joined.of(asked), left.rows, left.of(asked)
    count = _changed(asked, lists, *moves, source, base, keys, out)
    return out._replace(members=out.members[:count], sources=out.sources[:count])


@njit(cache=True, nogil=True)
def _stand(rows, base, keys):
    out = np.empty(len(rows), np.int64)
    for at in range(len(rows)):
        out[at] = stands(rows[at], base, keys)
    return out
