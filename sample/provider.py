"""The OAI-PMH 2.0 provider of the demo repositories: a real HTTP server on 127.0.0.1.

Each source has its own base URL, `http://127.0.0.1:<port>/<source_id>/oai`.  Resumption tokens hold all
state, so any thread answers any request.  When the sample is built anew, the new data is served at once.
"""

import argparse
import errno
import hashlib
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from urllib.parse import parse_qsl, urlsplit

from sample.repository import PAGE, Repository, snapshot
from warehouse import lake

PORT = 8437
HOST = "127.0.0.1"
MAX_FORM = 65_536  # bytes of a POST


SIGNATURE = "X-Sample"  # tells the providers of several lakes on one machine apart


def signature(folder: Path) -> str:
    """What a provider of this folder sends in each answer."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]


class ProviderError(Exception):
    """The provider can't start; the message says why and what to do."""


class Provider:
    """The repositories below one folder, each opened when it is first asked for."""

    def __init__(self, folder: Path, page: int = PAGE):
        self.folder, self.page = folder, page
        self.open: dict[str, Repository] = {}
        self.lock = threading.Lock()

    def repository(self, source_id: str) -> Repository | None:
        """The repository of that source as it is now; nothing where there is none.

        While the folder is being exchanged for a newer one, the older state goes on being served.
        """
        folder = self.folder / source_id
        with self.lock:
            try:
                while source_id not in self.open or self.open[source_id].snapshot != snapshot(folder):
                    # again, if the folder was exchanged while its files were being opened
                    self.open[source_id] = Repository(folder, self.page)
            except FileNotFoundError:
                pass
            return self.open.get(source_id)


class _Handler(BaseHTTPRequestHandler):
    """GET and POST of OAI-PMH; connections are kept open between pages."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = 1 << 20  # one write a page
    disable_nagle_algorithm = True

    server: "Server"

    def __init__(self, *args: object, provider: Provider, **kwargs: object):
        self.provider = provider
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer a request with its arguments in the address."""
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        """Answer a request with its arguments in a form."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_FORM:
            self._send(411 if not length.isdigit() else 413, b"a form of known, small length is needed\n")
            self.close_connection = True
            return
        self._answer(self.rfile.read(int(length)).decode("utf-8", "replace"))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a harvest asks thousands of times."""

    def _answer(self, query: str) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        named = len(parts) == 2 and parts[1] == "oai" and not parts[0].startswith(".")
        repository = self.provider.repository(parts[0]) if named else None
        if repository is None:
            self._send(
                404, b"no repository here: http://127.0.0.1:<port>/<source>/oai; run `calis sample` first\n"
            )
            return
        base_url = f"http://{HOST}:{self.server.server_port}/{parts[0]}/oai"
        pairs = parse_qsl(query, keep_blank_values=True)
        self._send(200, repository.answer(pairs, base_url), "text/xml; charset=utf-8")

    def _send(self, status: int, content: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header(SIGNATURE, signature(self.provider.folder))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """The HTTP server; open connections don't keep the program from ending."""

    daemon_threads = True
    block_on_close = False


@contextmanager
def serve(port: int = PORT, page: int = PAGE, folder: Path | None = None) -> Iterator[Server]:
    """Serve the repositories of `lake.sample()` in a thread while the block runs; port 0 takes a free one.

    Raises:
        ProviderError: the port is taken or not allowed.
    """
    provider = Provider(folder or lake.sample() / "oai", page)
    try:
        server = Server((HOST, port), partial(_Handler, provider=provider))
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"can't be opened ({error.strerror})"
        raise ProviderError(
            f"port {port} on {HOST} {why}; stop what uses it, or build and serve the sample with another --port"
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main(port: int = PORT) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when ready.  Call it in the main thread.

    Raises:
        ProviderError: the port is taken or not allowed.
    """
    stopped = threading.Event()

    def stop(signal_no: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with serve(port) as server:
            print(f"OAI-PMH provider ready on http://{HOST}:{server.server_port}/<source>/oai", flush=True)
            while not stopped.wait(0.2):  # a signal that another thread receives doesn't end an endless wait
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m sample.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help=f"where to listen on {HOST} (default {PORT})")
    try:
        main(parser.parse_args().port)
    except ProviderError as error:
        sys.exit(f"error: {error}")
