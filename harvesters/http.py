"""Asking a source over HTTP: one session with time and size limits, retries, and reasons that a person can act on.

What may pass (429, 5xx, a reset, a time-out, a body that broke off or can't be read) is asked again, as `Patience`
allows and as a Retry-After in either form asks; what will not pass (a login, 403, 404) ends the harvest at once.
"""

import gzip
import io
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urldefrag, urlencode, urlsplit

import requests
from requests.cookies import extract_cookies_to_jar
from urllib3 import Timeout
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError, SSLError

from harvesters import credentials, tls
from harvesters.addresses import Guarded
from harvesters.host_rate import Host
from harvesters.landing import HarvestError
from harvesters.registry import Source

READ = 1 << 20  # bytes
GZIP = b"\x1f\x8b"
USER_AGENT = "calis-exchange/0.1 (library catalogue harvester)"
ADVICE = {
    401: "it wants a login, or another one; ask the member for access",
    403: "it refuses us, so it was not asked again; a person must ask the member for access",
    404: "there is nothing at this address; correct it in sources.csv",
    410: "this address was given up; correct it in sources.csv",
}
_CERTIFICATE = re.compile(r"(?i)certificate verify failed[^\"'()]*|fingerprints did not match[^\"'()]*")
Read = TypeVar("Read")


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
    pause: float = 0  # seconds between requests to the host

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


def shown_address(address: str) -> str:
    """The address fit for logs and manifests: without user name, query or fragment."""
    return re.sub(r"//[^/@]*@", "//", address).split("?")[0].split("#")[0]


class Session:
    """A session with one source; `ask` gives what `read` makes of a whole answer, or raises `HarvestError`."""

    def __init__(self, source: Source, user_agent: str = USER_AGENT):
        self.patience = Patience.of(source)
        self.page_bytes = int(min(self.patience.page_megabytes, source.max_megabytes) * 1e6)
        self.session = requests.Session()
        self.session.headers["User-Agent"] = user_agent
        self.session.max_redirects = 5
        self.session.adapters.clear()  # no scheme but these two, whatever a redirect says
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, Guarded(source, self.patience.page_timeout))
        # proxies and certificates of the environment, looked up once and not for each page; netrc is not read
        found = self.session.merge_environment_settings(source.address, {}, True, None, None)
        self.session.proxies = found["proxies"]
        # `Guarded` knows the certificate of the row
        self.session.verify = False if tls.pinned(source) else found["verify"]
        self.session.trust_env = False
        self._timeout = Timeout(connect=self.patience.connect_timeout, read=self.patience.read_timeout)
        self._hosts: dict[str, Host] = {}
        self._prepared: dict[str, tuple[requests.PreparedRequest, str]] = {}
        self.credentials = credentials.of(source)
        if "user" in self.credentials:
            self.session.auth = (self.credentials["user"], self.credentials.get("password", ""))

    def ask(
        self,
        address: str,
        params: Mapping[str, str],
        read: Callable[[requests.Response, bytes], Read],
        refused: Callable[[requests.Response, bytes], object] | None = None,
        what: str = "",
    ) -> Read:
        """Ask once more after each fault that may pass, as patience allows.

        `read` makes something of an answer with a 2xx status, and raises `TransientError` where asking again may
        help; `refused` is given the others, and may raise what says more than their status.  `what` names the
        request in errors.
        """
        where = shown_address(address) + (f" ({what})" if what else "")
        attempts = max(1, int(self.patience.attempts))
        for attempt in range(1, attempts + 1):
            try:
                return self._once(address, params, read, refused)
            except TransientError as error:
                fault = error
            except HarvestError as error:
                error.args = (f"{where}: {error}",)
                raise
            if attempt < attempts:
                backoff = self.patience.first_wait * 2 ** (attempt - 1)
                asked = backoff if fault.retry_after is None else fault.retry_after
                time.sleep(min(asked, self.patience.longest_wait))
        raise HarvestError(f"{where}: {fault}; asked {attempts} times; the next run tries again") from fault

    def _once(
        self,
        address: str,
        params: Mapping[str, str],
        read: Callable[[requests.Response, bytes], Read],
        refused: Callable[[requests.Response, bytes], object] | None,
    ) -> Read:
        try:
            with (
                self._host(address).turn(self.patience.pause, self.patience.longest_wait) as now,
                closing(self._request(address, params)) as response,
            ):
                now.rest = self._rest(response)
                content = self._content(response)
        except requests.exceptions.SSLError as error:
            if not (said := _CERTIFICATE.search(str(error))):
                raise TransientError(f"no answer: {_said(error)}") from error
            tls.refuse_certificate("it", said[0])
        except (requests.Timeout, requests.ConnectionError) as error:
            raise TransientError(f"no answer: {_said(error)}") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise TransientError(f"the answer broke off or is coded badly: {_said(error)}") from error
        except (requests.RequestException, ValueError) as error:  # ValueError: a redirect to what is no address
            raise HarvestError(f"can't be asked: {_said(error)}; check the address in sources.csv") from error
        if refused and not 200 <= response.status_code < 300:
            refused(response, content)
        self._check_status(response)
        credentials.refuse_echo(content, self.credentials)
        return read(response, content)

    def _rest(self, response: requests.Response) -> float:
        """How long the host is left alone: as it asks where it is overloaded, and other sources on it wait too."""
        asked = (
            _retry_after(response.headers.get("Retry-After", "")) if response.status_code in (429, 503) else None
        )
        return max(self.patience.pause, min(asked or 0.0, self.patience.longest_wait))

    def _check_status(self, response: requests.Response) -> None:
        """Raise what the status says is wrong."""
        status = response.status_code
        if status in (408, 425, 429) or status >= 500:
            after = _retry_after(response.headers.get("Retry-After", ""))
            if after is not None and after > self.patience.longest_wait:
                raise HarvestError(f"HTTP {status}: it asks to be left alone for {after:.0f} s; run it later")
            raise TransientError(f"HTTP {status}", after)
        if not 200 <= status < 300:
            raise HarvestError(f"HTTP {status}: {ADVICE.get(status, 'check the address in sources.csv')}")

    def _host(self, address: str) -> Host:
        name = urlsplit(address).netloc
        if name not in self._hosts:
            self._hosts[name] = Host(name)
        return self._hosts[name]

    def _request(self, address: str, params: Mapping[str, str]) -> requests.Response:
        """As `requests.Session.get`, but what is the same for every page of an address is prepared once."""
        if address not in self._prepared or self.session.cookies:
            made = self.session.prepare_request(requests.Request("GET", urldefrag(address).url))
            self._prepared[address] = made, str(made.url)
        request, url = self._prepared[address]
        request.url = url + ("&" if "?" in url else "?") * bool(params) + urlencode(params)
        given: dict[str, Any] = {
            "stream": True, "verify": self.session.verify, "proxies": self.session.proxies, "cert": None,
            "timeout": self._timeout,
        }  # fmt: skip
        response = self.session.get_adapter(request.url).send(request, **given)
        if "Set-Cookie" in response.headers:
            extract_cookies_to_jar(self.session.cookies, request, response.raw)
        if not response.is_redirect:
            return response
        hops: list[requests.Response] = list(self.session.resolve_redirects(response, request, **given))
        return hops[-1] if hops else response

    def _content(self, response: requests.Response) -> bytes:
        """The body, within the limits of size and time."""
        pieces, size, end = [], 0, time.monotonic() + self.patience.page_timeout
        for piece in _as_they_come(response):
            pieces.append(piece)
            size += len(piece)
            self._check_size(size)
            if time.monotonic() > end:
                raise TransientError(f"a page took longer than {self.patience.page_timeout:g} s")
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._unpacked(content) if content.startswith(GZIP) else content

    def _unpacked(self, content: bytes) -> bytes:
        """The body that a server packed without saying so."""
        try:
            with gzip.open(io.BytesIO(content)) as stream:
                unpacked = stream.read(self.page_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise TransientError(f"the answer broke off or is coded badly: {error}") from error
        self._check_size(len(unpacked))
        return unpacked

    def _check_size(self, size: int) -> None:
        if size > self.page_bytes:
            raise HarvestError(
                f"one page is larger than {self.page_bytes / 1e6:g} MB; if that is right, raise "
                "max_megabytes, or page_megabytes in quirks"
            )


def _as_they_come(response: requests.Response) -> Iterator[bytes]:
    """The pieces of a body as they arrive, however slowly, with its coding taken off.

    requests' own `iter_content` waits until a piece is full, so a source that sends a byte now and then would hold
    it for days.
    """
    try:
        while piece := response.raw.read1(READ, decode_content=True):
            yield piece
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except ReadTimeoutError as error:
        raise requests.ConnectionError(error) from error
    except (ProtocolError, SSLError) as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error


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
    return credentials.masked(re.sub(r"(//)[^/@\s]*@|\?\S*", r"\1", text))[:300]
