"""The sources of groups: two records of one source are different books, unless they have one identifier."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numba import njit

from transforms.lookup_kernel import Flags, Ints
from transforms.pair_kernel import in_ranges

ANY = -1  # an attribute that is not known and agrees with every other


class Groups(NamedTuple):
    """What is told of groups."""

    first: Ints  # the row of its first record
    starts: Ints  # the sources of group g, in ascending order, are `sources[starts[g]:ends[g]]`
    ends: Ints
    sources: Ints
    identity: Ints  # code of its identifier, or `ANY`; records of one source stay apart unless equal


@njit(cache=True, nogil=True)
def _two_records(one, other, starts, ends, sources, identity):
    if identity[one] != ANY and identity[one] == identity[other]:
        return False
    i, j = starts[one], starts[other]
    while i < ends[one] and j < ends[other]:
        if sources[i] == sources[j]:
            return True
        if sources[i] < sources[j]:
            i += 1
        else:
            j += 1
    return False


@njit(cache=True, nogil=True)
def _share_source(left, right, some, asked, starts, ends, sources, identity, begin, end):
    found = np.zeros(end - begin, np.bool_)
    for at in range(begin, end):
        if asked[at]:
            found[at - begin] = _two_records(left[some[at]], right[some[at]], starts, ends, sources, identity)
    return found


def share_source(pool: Executor, left: Ints, right: Ints, some: Ints, asked: Flags, groups: Groups) -> Ints:
    """Those of some pairs, where they are asked for, whose groups have two records of one source."""
    told = groups.starts, groups.ends, groups.sources, groups.identity
    found = in_ranges(pool, len(some), lambda *rows: _share_source(left, right, some, asked, *told, *rows))
    return some[np.concatenate([np.zeros(0, bool), *found])]
