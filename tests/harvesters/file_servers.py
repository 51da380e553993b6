"""File servers for tests, each a real one on 127.0.0.1 over a folder of the test: SFTP, FTP, S3."""

import asyncio
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

USER, PASSWORD = "whu", "tr0ub4dor-and-3"


@contextmanager
def sftp(folder: Path, client_key: str = "") -> Iterator[dict[str, Any]]:
    """Address and quirks of an SFTP server; with a `client_key` (a public one) that alone lets in."""
    asyncssh = pytest.importorskip("asyncssh", reason="no asyncssh: pip install -e '.[dev]'")
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop, ready = asyncio.new_event_loop(), Event()
    found: dict[str, Any] = {}

    class Login(asyncssh.SSHServer):  # type: ignore[name-defined, misc]
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return not client_key

        def public_key_auth_supported(self) -> bool:
            return bool(client_key)

        def validate_public_key(self, username: str, key: Any) -> bool:
            return username == USER and key == asyncssh.import_public_key(client_key)

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

    class Rooted(asyncssh.SFTPServer):  # type: ignore[name-defined, misc]
        def __init__(self, channel: Any) -> None:
            super().__init__(channel, chroot=str(folder).encode())

    async def serve() -> None:
        server = await asyncssh.create_server(Login, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=Rooted)
        found["server"], found["port"] = server, server.get_port()
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield {
            "protocol": "sftp",
            "address": f"sftp://127.0.0.1:{found['port']}/",
            "quirks": {"host_key": key.get_fingerprint()},
        }
    finally:
        loop.call_soon_threadsafe(found["server"].close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@contextmanager
def ftp(folder: Path, certificate: Path | None = None) -> Iterator[dict[str, Any]]:
    """Address and quirks of an FTP server; with a certificate (PEM) it wants TLS for all."""
    pytest.importorskip("pyftpdlib", reason="no pyftpdlib: pip install -e '.[dev]'")
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer

    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm="elr")
    base, more = FTPHandler, {}
    if certificate:
        pytest.importorskip("OpenSSL", reason="no pyOpenSSL: pip install -e '.[dev]'")
        from pyftpdlib.handlers import TLS_FTPHandler as base

        more = {"certfile": str(certificate), "tls_control_required": True, "tls_data_required": True}
    handler = type("Handler", (base,), {"authorizer": authorizer} | more)
    server = FTPServer(("127.0.0.1", 0), handler)
    stopped = Event()

    def run() -> None:
        while not stopped.is_set():
            server.serve_forever(timeout=0.05, blocking=False)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        scheme = "ftps" if certificate else "ftp"
        yield {"protocol": "ftp", "address": f"{scheme}://127.0.0.1:{server.address[1]}/", "quirks": {}}
    finally:
        stopped.set()
        thread.join(10)
        server.close_all()


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, Any]]:
    """Address and quirks of an S3 server; `upload` copies what is in the folder to it."""
    pytest.importorskip("moto.server", reason="no moto: pip install -e '.[dev]'")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=USER,
        aws_secret_access_key=PASSWORD,
        region_name="us-east-1",
    )
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    client.create_bucket(Bucket="whu-export")

    def upload() -> None:
        for path in folder.iterdir():
            client.put_object(Bucket="whu-export", Key=f"marc/{path.name}", Body=path.read_bytes())

    try:
        yield {
            "protocol": "s3",
            "address": "s3://whu-export/marc",
            "quirks": {"endpoint": endpoint},
            "upload": upload,
        }
    finally:
        server.stop()
