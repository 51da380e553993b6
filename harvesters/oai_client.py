"""The OAI-PMH client: sickle for the protocol, with a strict parser, time limits and retries around it.

Sickle alone reads a cut page as if it were whole (it parses with recover=True), has no time limit, and repeats
only a 503.  Here a page is either well-formed OAI-PMH to its last tag, or it is asked for again and then is a
fault.  Entities are never expanded and document types are refused; libxml2's own limits (depth, 10 MB in one
text, amplification) stay on, because nothing that a catalogue sends needs them off.
"""

import re
from contextlib import suppress
from typing import Any

import requests
from lxml import etree
from sickle import Sickle
from sickle.response import OAIResponse

from harvesters.http import Session, TransientError
from harvesters.landing import HarvestError
from harvesters.registry import Source

NAMESPACE = "{http://www.openarchives.org/OAI/2.0/}"
FACTS = ("repositoryName", "protocolVersion", "earliestDatestamp", "deletedRecord", "granularity")
USER_AGENT = "calis-exchange/0.1 (library catalogue harvester; OAI-PMH 2.0)"


class OAIError(HarvestError):
    """The source answered with an OAI-PMH error."""

    def __init__(self, code: str, reason: str):
        super().__init__(reason)
        self.code = code


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
    """Sickle over a session with limits and retries; `harvest` gives a whole page or raises `HarvestError`."""

    def __init__(self, source: Source):
        super().__init__(source.address)
        self.session = Session(source, USER_AGENT)

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

        def read(response: requests.Response, content: bytes) -> Page:
            return Page(response, params, content)

        def refused(response: requests.Response, content: bytes) -> None:
            if response.status_code < 500 and response.status_code not in (401, 403, 408, 425, 429):
                with suppress(TransientError):
                    read(response, content)  # some servers send the protocol's own errors with a 4xx

        what = ", ".join(f"{name}={value}" for name, value in params.items())
        return self.session.ask(self.endpoint, params, read, refused, what)
