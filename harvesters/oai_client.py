"""The OAI-PMH client: sickle for the protocol, with a strict parser, time limits and retries around it.

Sickle alone reads a cut page as if it were whole (it parses with recover=True), has no time limit, and repeats
only a 503.  Here a page is either well-formed OAI-PMH to its last tag, or it is asked for again and then is a
fault.  Entities are never expanded and document types are refused; libxml2's own limits (depth, 10 MB in one
text, amplification) stay on, because nothing that a catalogue sends needs them off.
"""

import re
import time
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from lxml import etree
from sickle import Sickle
from sickle.response import OAIResponse
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from harvesters.landing import HarvestError
from harvesters.registry import Source

NAMESPACE = "{http://www.openarchives.org/OAI/2.0/}"
FACTS = ("repositoryName", "protocolVersion", "earliestDatestamp", "deletedRecord", "granularity")
USER_AGENT = "calis-exchange/0.1 (library catalogue harvester; OAI-PMH 2.0)"
ADVICE = {
    401: "it wants a login; ask the member for access",
    403: "it refuses us, so it was not asked again; a person must ask the member for access",
    404: "there is nothing at this address; correct it in sources.csv",
    410: "this address was given up; correct it in sources.csv",
}


@dataclass(frozen=True)
class Patience:
    """How long to wait for a source; each may be a quirk of its row (`read_timeout=30;attempts=3`)."""

    attempts: float = 5
    first_wait: float = 2  # seconds; doubled after each attempt
    longest_wait: float = 300  # seconds; a source that asks for more is left until the next run
    connect_timeout: float = 20  # seconds
    read_timeout: float = 180  # seconds without a byte; the slowest hundredth of real sources needs this
    page_timeout: float = 900  # seconds for a whole page
    page_megabytes: float = 256
    pause: float = 0  # seconds between requests

    @classmethod
    def of(cls, source: Source) -> "Patience":
        """The defaults with the quirks of the source."""
        given = {f.name: source.quirks[f.name] for f in fields(cls) if f.name in source.quirks}
        try:
            return cls(**{name: float(value) for name, value in given.items()})
        except ValueError as error:
            raise HarvestError(f"quirks {given} of {source.source_id}: {error}; correct sources.csv") from error


class TransientError(HarvestError):
    """A fault that may pass; `retry_after` (seconds) is what the source asked for."""

    def __init__(self, reason: str, retry_after: float | None = None):
        super().__init__(reason)
        self.retry_after = retry_after


class OAIError(HarvestError):
    """The source answered with an OAI-PMH error."""

    def __init__(self, code: str, reason: str):
        super().__init__(reason)
        self.code = code


def shown_address(address: str) -> str:
    """The address fit for logs and manifests: without user name, query or fragment."""
    return re.sub(r"//[^/@]*@", "//", address).split("?")[0].split("#")[0]


class Page(OAIResponse):
    """One answer that is whole: read strictly and once, when it is made; the tree is not kept.

    `content` is its bytes as sent (content coding taken off), `records` counts its OAI records (elements of
    that name inside their metadata don't count), `token` is "" on the last page.

    Raises:
        TransientError: it is not one whole, well-formed OAI-PMH answer to the request.
        OAIError: it is an error of the protocol.
        HarvestError: it has a document type, which may hide entities.
    """

    def __init__(self, http_response: requests.Response, params: dict[str, str], content: bytes):
        super().__init__(http_response, params)
        self.content = content
        root = self.xml
        errors = root.findall(NAMESPACE + "error")
        if errors:
            said = "; ".join(f"{e.get('code')}: {(e.text or '').strip()[:200]}" for e in errors)
            raise OAIError(errors[0].get("code", ""), f"the source answered {said}")
        body = root.find(NAMESPACE + params["verb"])
        if body is None:
            raise TransientError(f"the answer has no {params['verb']} element")
        token = body.find(NAMESPACE + "resumptionToken")
        size = "" if token is None else token.get("completeListSize", "")
        self.response_date = (root.findtext(NAMESPACE + "responseDate") or "").strip()
        self.records = sum(1 for _ in body.iterchildren(NAMESPACE + "record"))
        self.token = "" if token is None else (token.text or "").strip()
        self.complete_list_size = int(size) if re.fullmatch(r"\d{1,18}", size) else None
        self.facts = {name: (body.findtext(NAMESPACE + name) or "").strip() for name in FACTS}

    @property
    def xml(self) -> Any:
        """The root element of a fresh, strict parse."""
        parser = etree.XMLParser(recover=False, resolve_entities=False, no_network=True, load_dtd=False)
        if not self.content.strip():
            raise TransientError("the answer is empty")
        try:
            root = etree.fromstring(self.content, parser)
        except etree.XMLSyntaxError as error:
            html = re.search(rb"(?i)<html[\s>]", self.content[:2048])
            kind = "an HTML page" if html else "not well-formed, or cut"
            raise TransientError(f"the answer is {kind} ({len(self.content)} bytes; {error.msg})") from None
        if root.tag != NAMESPACE + "OAI-PMH":
            raise TransientError(f"the answer is not OAI-PMH 2.0: its root element is {root.tag}")
        if root.getroottree().docinfo.doctype:
            raise HarvestError("the answer has a document type (DOCTYPE), which OAI-PMH does not; refused")
        return root


class Client(Sickle):
    """Sickle with a session, limits and retries; `harvest` gives a whole page or raises `HarvestError`."""

    def __init__(self, source: Source):
        super().__init__(source.address)
        self.patience = Patience.of(source)
        self.page_bytes = int(min(self.patience.page_megabytes, source.max_megabytes) * 1e6)
        self.session = requests.Session()
        self.session.headers["User-Agent"] = USER_AGENT
        self.session.max_redirects = 5

    def identify(self) -> dict[str, str]:
        """What Identify says that a harvest depends on."""
        return self.harvest(verb="Identify").facts

    def list_records(self, **asked: str) -> Page:
        """One page of a list.

        Raises:
            OAIError: the source answered with an error of the protocol.
        """
        return self.harvest(verb="ListRecords", **asked)

    def harvest(self, **params: str) -> Page:
        """Ask once more after each fault that may pass, as patience allows."""
        where = f"{shown_address(self.endpoint)} ({', '.join(f'{k}={v}' for k, v in params.items())})"
        try:
            return Retrying(
                retry=retry_if_exception_type(TransientError),
                stop=stop_after_attempt(int(self.patience.attempts)),
                wait=self._wait,
                reraise=True,
            )(self._page, params)
        except OAIError as error:
            raise OAIError(error.code, f"{where}: {error}") from error
        except TransientError as error:
            attempts = int(self.patience.attempts)
            raise HarvestError(f"{where}: {error}; asked {attempts} times; the next run tries again") from error
        except HarvestError as error:
            raise HarvestError(f"{where}: {error}") from error

    def _wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, TransientError) else None
        backoff = self.patience.first_wait * 2 ** (state.attempt_number - 1)
        return min(backoff if asked is None else asked, self.patience.longest_wait)

    def _page(self, params: dict[str, str]) -> Page:
        if self.patience.pause:
            time.sleep(self.patience.pause)
        try:
            with closing(self._request(params)) as response:
                content = self._content(response)
        except (requests.Timeout, requests.ConnectionError) as error:
            raise TransientError(f"no answer: {_said(error)}") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise TransientError(f"the answer broke off or is coded badly: {_said(error)}") from error
        except requests.RequestException as error:
            raise HarvestError(f"can't be asked: {_said(error)}; check the address in sources.csv") from error
        self._check_status(response, params, content)
        return Page(response, params, content)

    def _check_status(self, response: requests.Response, params: dict[str, str], content: bytes) -> None:
        """Raise what the status says is wrong."""
        status = response.status_code
        if status in (408, 425, 429) or status >= 500:
            after = _retry_after(response.headers.get("Retry-After", ""))
            if after is not None and after > self.patience.longest_wait:
                raise HarvestError(f"HTTP {status}: it asks to be left alone for {after:.0f} s; run it later")
            raise TransientError(f"HTTP {status}", after)
        if not 200 <= status < 300:
            if status not in (401, 403):
                with suppress(TransientError):
                    Page(response, params, content)  # some servers send the protocol's own errors with a 4xx
            raise HarvestError(f"HTTP {status}: {ADVICE.get(status, 'check the address in sources.csv')}")

    def _request(self, kwargs: dict[str, str]) -> requests.Response:
        limits = (self.patience.connect_timeout, self.patience.read_timeout)
        return self.session.get(self.endpoint, params=kwargs, timeout=limits, stream=True)

    def _content(self, response: requests.Response) -> bytes:
        """The body, within the limits of size and time."""
        content, end = bytearray(), time.monotonic() + self.patience.page_timeout
        for chunk in response.iter_content(1 << 16):
            content += chunk
            if len(content) > self.page_bytes:
                raise HarvestError(
                    f"one page is larger than {self.page_bytes / 1e6:g} MB; if that is right, raise "
                    "max_megabytes, or page_megabytes in quirks"
                )
            if time.monotonic() > end:
                raise TransientError(f"a page took longer than {self.patience.page_timeout:g} s")
        return bytes(content)


def _retry_after(text: str) -> float | None:
    """Seconds to wait, from a Retry-After header in either form (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"\s*\d+\s*", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _said(error: Exception) -> str:
    """The cause of a connection's fault in few words, without objects' addresses or queries."""
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else type(error).__name__
    text = re.sub(r"<[^>]*>:? ?", "", str(cause))
    text = re.sub(r"^\w+\(.*?\): ", "", text)
    return re.sub(r"(//)[^/@\s]*@|\?\S*", r"\1", text)[:300]
