"""Which addresses may be asked: web addresses in the open internet, unless a source's row allows more.

A registry is data, and so is a redirect: neither may turn the harvester on the machines behind its own firewall
(loopback, link-local with the cloud's metadata service, private networks).  A row that means them says so with
the quirk `allow_private=yes`.  Names are judged by the address that is connected to in the end, so that a name
which resolves to another address a moment later changes nothing.
"""

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from harvesters.landing import HarvestError
from harvesters.private import ALLOW, allows_private, is_private
from harvesters.registry import Source
from harvesters.tls import pinned
from harvesters.watchdog import limited


def check_host(host: str, source: Source) -> None:
    """Refuse a host by its name, or an address that it was resolved to, where the row does not allow it.

    Raises:
        HarvestError: it lies on a private network, and the row does not say `allow_private=yes`.
    """
    if is_private(host) and not allows_private(source.quirks):
        raise HarvestError(
            f"{host} is an address of this machine or of a private network, so it was not asked; if that is "
            f"right, put {ALLOW} into the quirks of {source.source_id} in sources.csv",
            resumable=False,
        )


def check_resolved(host: str, source: Source) -> None:
    """Refuse a host if any address that its name stands for is one to refuse; for protocols without a session."""
    check_host(host, source)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return  # connecting will say it better
    for *_, address in found:
        check_host(str(address[0]), source)


class Guarded(HTTPAdapter):
    """Sends a session's requests, each hop of a redirect included, to allowed addresses only."""

    def __init__(self, source: Source, head_timeout: float):
        """`head_timeout`: seconds that the head of an answer may take, however its bytes trickle."""
        self.source, self.head_timeout = source, head_timeout
        self._last: tuple[str, Any] = ("", None)  # host, and the connections to it
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools whose connections are checked when they are made."""
        if wanted := pinned(self.source):
            kwargs["assert_fingerprint"] = wanted
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self.source, self.head_timeout)

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Path and query; what a proxy is asked, as requests has it."""
        return super().request_url(request, proxies) if proxies else request.path_url

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        """The connections to a host, unless it is refused by name; looked up once for the pages of a list."""
        host = "/".join((request.url or "").split("/", 3)[:3])
        if host != self._last[0]:
            check_host(urlsplit(request.url or "").hostname or "", self.source)
            self._last = host, super().get_connection_with_tls_context(request, *args, **kwargs)
        return self._last[1]

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """The answer, with the headers as urllib3 has them: to copy them and to look for a charset and cookies in
        those of each page costs a quarter of the request."""
        response = requests.Response()
        response.status_code, response.reason = resp.status, resp.reason
        response.headers, response.raw = resp.headers, resp
        response.url, response.request, response.connection = str(req.url), req, self
        return response


def _pools(source: Source, head_timeout: float) -> dict[str, type[HTTPConnectionPool]]:
    def checked(connected: socket.socket) -> socket.socket:
        try:
            check_host(str(connected.getpeername()[0]), source)
        except BaseException:
            connected.close()
            raise
        return connected

    def in_time(connection: HTTPConnection, answer: Callable[[], Any]) -> Any:
        with limited(connection.sock, head_timeout) as watched:
            try:
                return answer()
            finally:
                if watched.ended:  # what came of the head may look like all of it
                    raise OSError(f"the head of its answer took longer than {head_timeout:g} s")

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return checked(super()._new_conn())

        def getresponse(self) -> Any:
            return in_time(self, super().getresponse)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return checked(super()._new_conn())

        def getresponse(self) -> Any:
            return in_time(self, super().getresponse)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
