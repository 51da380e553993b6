"""The pages of a list, one after the other, until it is proved to have ended.

A list ends with the page that bears no resumption token.  It is no list where tokens repeat, or where page after
page brings only what came before.  Identifiers are counted once, so that a page that came twice in the place of
another is missed.
"""

import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np

from harvesters import oai_page
from harvesters.http import shown_address
from harvesters.landing import HarvestError, Landing
from harvesters.oai_client import Client
from harvesters.oai_page import OAIError
from warehouse.progress import Progress

log = logging.getLogger(__name__)

RECORDS, IDENTIFIERS = "ListRecords", "ListIdentifiers"
FILES = {RECORDS: "page", IDENTIFIERS: "identifiers"}
Steps = list[dict[str, Any]]  # of each landed page: list, token, response_date, size, damaged, repeated
STALE_PAGES = 3  # one after the other that bring only what came before, until the list is no list
EMPTY_PAGES = 100  # one after the other that bring nothing, though there are lists with some
# What servers answer to a token that they no longer know.
EXPIRED = ("badResumptionToken", "badArgument", "noRecordsMatch")
ADVICE = {
    "cannotDisseminateFormat": "the source does not offer this prefix; correct metadata_prefix in sources.csv",
    "noSetHierarchy": "the source has no sets, though its list had begun with one; harvest again",
    "badArgument": "the source refuses the request; check metadata_prefix and set_spec in sources.csv",
    "badVerb": "the source does not understand OAI-PMH 2.0; check the address in sources.csv",
    "badResumptionToken": "its token expired twice; harvest again, or ask the member for longer-lived tokens",
    "noRecordsMatch": "twice there was no page where one was due; tell the member",
}


class Seen:
    """The identifiers of a list so far, in eight bytes each."""

    def __init__(self) -> None:
        self._old, self._new = np.empty(0, np.int64), set[int]()
        self.nameless = 0

    def __len__(self) -> int:
        return len(self._old) + len(self._new) + self.nameless

    def add(self, identifiers: Sequence[bytes], records: int) -> int:
        """Add a page; how many of its records had not come before.  Those without identifiers all count."""
        found = {hash(one) for one in identifiers}
        nameless = max(0, records - len(identifiers))
        fresh = found - self._new
        if len(self._old) and fresh:
            asked = np.fromiter(fresh, np.int64, len(fresh))
            at = np.minimum(np.searchsorted(self._old, asked), len(self._old) - 1)
            fresh = set(asked[self._old[at] != asked].tolist())
        self._new |= fresh
        if len(self._new) > max(50_000, len(self._old) // 4):
            self._old = np.union1d(self._old, np.fromiter(self._new, np.int64, len(self._new)))
            self._new = set()
        self.nameless += nameless
        return len(fresh) + nameless


def whole_list(client: Client, landed: Landing, steps: Steps, verb: str, progress: Progress) -> tuple[Steps, int]:
    """Land the pages of a list that are still due.

    An expired token makes the list begin again, once; so does a source that announced seconds but refuses them,
    asking for days this time, one that does not offer a prefix, asking for the next, and one that has no sets,
    asking for its whole repository.

    Returns:
        The progress after each page of this and earlier lists, and how many different records this one named.
    """
    restarted = False
    while True:
        try:
            return _pages(client, landed, steps, verb, progress)
        except OAIError as error:
            begun = any(row["file"].startswith(FILES[verb]) for row in landed.rows)
            if error.code == "noRecordsMatch" and not begun:
                return steps, 0
            if error.code in EXPIRED and begun and not restarted:
                restarted = True
                log.warning("source %s: the token expired; the list begins again", landed.source_id)
                plan: dict[str, Any] | None = landed.plan
            else:
                plan = None if begun or verb != RECORDS else _otherwise(landed.plan, error)
            if plan is None:
                advice = ADVICE.get(error.code, "tell the member what its server said")
                raise HarvestError(f"{error}; {advice}", resumable=False) from error
            if verb == RECORDS:
                landed.begin(plan)
                steps = []
            else:
                landed.drop(*(row["file"] for row in landed.rows if row["file"].startswith(FILES[verb])))
                steps = [step for step in steps if step["list"] != verb]


def _otherwise(plan: dict[str, Any], error: OAIError) -> dict[str, Any] | None:
    """The plan for a source that refused the first request of this one; None if there is no other."""
    if error.code == "badArgument" and "T" in plan["from"] + plan["until"]:
        return plan | {"from": plan["from_day"], "until": plan["until"][:10]}
    if error.code in ("cannotDisseminateFormat", "badArgument") and plan["other_prefixes"]:
        prefix, *others = plan["other_prefixes"]
        log.warning("prefix %s is not offered; asking for %s: %s", plan["prefix"], prefix, error)
        return plan | {"prefix": prefix, "other_prefixes": others} | _anew(plan)
    if error.code == "noSetHierarchy" and plan["set"]:
        log.warning("there is no set %s; asking for the whole repository: %s", plan["set"], error)
        return plan | {"set": ""} | _anew(plan)
    return None


def _anew(plan: dict[str, Any]) -> dict[str, Any]:
    """From when to ask where what came before came otherwise: from the beginning, unless a window was named."""
    return {} if plan["window"] else {"from": "", "from_day": ""}


def _pages(client: Client, landed: Landing, steps: Steps, verb: str, progress: Progress) -> tuple[Steps, int]:
    steps, seen, stale, empty = list(steps), _seen_before(landed, verb), 0, 0
    own = [step for step in steps if step["list"] == verb]
    used, shown = {step["token"] for step in own}, shown_address(client.endpoint)
    while not own or own[-1]["token"]:
        asked = {"resumptionToken": own[-1]["token"]} if own else first_request(landed.plan, verb)
        page = client.listed(verb, **asked)
        request = f"{shown}?{urlencode({'verb': verb, **asked})}"
        if page.damaged and verb == IDENTIFIERS:
            raise HarvestError(f"{request}: {page.damaged} headers are not well-formed XML; tell the member")
        fresh = seen.add(page.identifiers, page.records)
        stale = stale + 1 if page.records and not fresh else 0 if fresh else stale
        empty = 0 if page.records else empty + 1
        if page.token:
            _refuse_endless(request, page.token in used, stale, empty)
        used.add(page.token)
        step = {
            "list": verb,
            "token": page.token,
            "response_date": page.response_date,
            "size": page.complete_list_size,
            "damaged": page.damaged,
            "repeated": bool(page.records and not fresh),
        }
        name = f"{FILES[verb]}-{len(own) + 1:05d}.xml"
        received = page.records if verb == RECORDS else 0
        landed.land_page(name, page.content, request, received, step)
        own.append(step)
        steps.append(step)
        progress.advance(page.records)
    return steps, len(seen)


def _refuse_endless(request: str, again: bool, stale: int, empty: int) -> None:
    """Raise where the list would never end: its token came before, or pages one after the other were no use."""
    why = ""
    if again:
        why = "the same resumptionToken came a second time"
    elif stale >= STALE_PAGES:
        why = f"{stale} pages one after the other brought only records that had come before"
    elif empty >= EMPTY_PAGES:
        why = f"{empty} pages one after the other brought no record"
    if why:
        told = f"{request[:300]}: {why}, so the list would never end; the member's server repeats itself"
        raise HarvestError(told, resumable=False)


def _seen_before(landed: Landing, verb: str) -> Seen:
    """The identifiers of the pages that landed before a harvest was killed."""
    seen = Seen()
    for row in landed.rows:
        if row["file"].startswith(FILES[verb]):
            content = landed.kept(row)
            found = oai_page.identifiers(content, verb)
            seen.add(found, row["received"] or len(found))
    return seen


def first_request(plan: dict[str, Any], verb: str) -> dict[str, str]:
    """The arguments that begin a list.  Identifiers are compared over all time and all sets."""
    given = {"metadataPrefix": plan["prefix"]}
    if verb == RECORDS:
        given |= {"set": plan["set"], "from": plan["from"], "until": plan["until"]}
    return {name: value for name, value in given.items() if value}
