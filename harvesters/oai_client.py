"""The OAI-PMH client: sickle for the protocol, over a session with time limits and retries, and strict pages.

Sickle alone reads a cut page as if it were whole (it parses with recover=True), has no time limit, and repeats
only a 503.  Here a page is whole to its last tag (`harvesters.oai_page`), or it is asked for again and then is a
fault.
"""

from contextlib import suppress

import requests
from sickle import Sickle

from harvesters import oai_page
from harvesters.http import Session, TransientError
from harvesters.oai_page import DamagedError, Page
from harvesters.registry import Source

USER_AGENT = "calis-exchange/0.1 (library catalogue harvester; OAI-PMH 2.0)"
TOLD = 200  # letters of an argument in a reason; some servers keep a whole request in a token
BELIEVED = 3  # pages whose damage came again as it was; from then on damage is the source's, and not asked about


class Client(Sickle):
    """Sickle over a session with limits and retries; `harvest` gives a whole page or raises `HarvestError`."""

    def __init__(self, source: Source):
        super().__init__(source.address)
        self.session = Session(source, USER_AGENT)
        self._confirmed = 0

    def identify(self) -> dict[str, str]:
        """What Identify says that a harvest depends on."""
        return self.harvest(verb="Identify").facts

    def listed(self, verb: str, **asked: str) -> Page:
        """One page of a list (ListRecords, ListIdentifiers).

        Raises:
            OAIError: the source answered with an error of the protocol.
        """
        return self.harvest(verb=verb, **asked)

    def harvest(self, **params: str) -> Page:
        """Ask once more after each fault that may pass, as patience allows.

        A page with damaged records is taken when the same damage comes twice.
        """
        marks: set[str] = set()

        def read(response: requests.Response, content: bytes) -> Page:
            try:
                return oai_page.read(content, params["verb"])
            except DamagedError as error:
                if error.mark not in marks and self._confirmed < BELIEVED:
                    marks.add(error.mark)
                    raise
                self._confirmed += 1
                return error.page

        def refused(response: requests.Response, content: bytes) -> None:
            if response.status_code < 500 and response.status_code not in (401, 403, 408, 425, 429):
                with suppress(TransientError):
                    read(response, content)  # some servers send the protocol's own errors with a 4xx

        what = ", ".join(f"{name}={value[:TOLD]}" for name, value in params.items())
        return self.session.ask(self.endpoint, params, read, refused, what)
