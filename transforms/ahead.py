"""Work done ahead of who asks for its results, by a few threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(made: Iterable[Callable[[], T]], threads: int, waiting: int) -> Iterator[T]:
    """What each of some functions makes, in their order; so many are made or wait while one is used."""
    with ThreadPoolExecutor(threads) as pool:
        coming: deque[Future[T]] = deque()
        for one in made:
            coming.append(pool.submit(one))
            if len(coming) > waiting:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
