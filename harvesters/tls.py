"""TLS for protocols whose libraries check no certificate: FTP, and Z39.50, which goes through a tunnel of our own.

A server is believed whose certificate a known authority signed for its name, or, where the row names the
certificate itself (quirk `certificate`), who shows that one and no other.  Authorities beside the system's stand
in the file that SSL_CERT_FILE names.
"""

import hashlib
import re
import select
import shutil
import socket
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Never

from harvesters.landing import HarvestError
from harvesters.registry import Source

PIECE = 1 << 16  # bytes carried at a time


def pinned(source: Source) -> str:
    """The SHA-256 of the certificate that the row names, in hexadecimal digits; "" if it names none."""
    return re.sub(r"[^0-9a-f]", "", source.quirks.get("certificate", "").lower())


def refuse_certificate(address: str, said: str) -> Never:
    """Raise what is to be done about a certificate that nobody vouches for."""
    raise HarvestError(
        f"{address} shows a certificate that is not to be trusted ({said}), so nothing was sent; ask the member "
        "for one that an authority signed, or for the SHA-256 of its own, which goes into quirks as certificate=…",
        resumable=False,
    )


class Context(ssl.SSLContext):
    """A context of a client that tells why a server is not believed, and knows the certificate of the row."""

    def __new__(cls, source: Source) -> "Context":
        """Made without the source, which `ssl.SSLContext` does not take."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, source: Source):
        self.address, self.pinned = source.address, pinned(source)
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.pinned:
            self.check_hostname, self.verify_mode = False, ssl.CERT_NONE
        else:
            self.load_default_certs()

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """The socket with TLS.

        Raises:
            HarvestError: the server is not to be believed.
        """
        try:
            wrapped = super().wrap_socket(*args, **kwargs)
        except ssl.SSLCertVerificationError as error:
            refuse_certificate(self.address, error.verify_message)
        if self.pinned:
            shown = hashlib.sha256(wrapped.getpeercert(binary_form=True) or b"").hexdigest()
            if shown != self.pinned:
                wrapped.close()
                raise HarvestError(
                    f"{self.address} shows the certificate {shown}, not that of the row, so nothing was sent; ask "
                    "the member whether it changed, and then correct certificate in quirks",
                    resumable=False,
                )
        return wrapped


class Tunnel:
    """A socket file of this machine, behind which stands a server over TLS; for one connection."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float):
        """Connect to the server.

        Raises:
            OSError: it can't be reached.
            HarvestError: it is not to be believed.
        """
        plain = socket.create_connection((host, port), timeout)
        try:
            self._far = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        self._folder = Path(tempfile.mkdtemp(prefix="calis-"))  # nobody else may enter it
        self.path = self._folder / "tunnel"
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(str(self.path))
        self._door.listen(1)
        self._thread = Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; harmless when it has ended."""
        for one in (self._door, self._far):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)  # wakes who waits for it
            one.close()
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _carry(self) -> None:
        with suppress(OSError, ValueError):  # ValueError: it was closed
            near, _ = self._door.accept()
            with near:
                ways = {near: self._far, self._far: near}
                while True:
                    ready = [self._far] if self._far.pending() else select.select(list(ways), [], [])[0]
                    for one in ready:
                        if not (piece := one.recv(PIECE)):
                            return
                        ways[one].sendall(piece)
