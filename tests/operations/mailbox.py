"""A mail server and a webhook on 127.0.0.1 that keep what they are sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from tests.consortium import free_port


class _Keep:
    def __init__(self, mails: list[EmailMessage]):
        self.mails = mails

    async def handle_DATA(self, server, session, envelope) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@contextmanager
def mail_server() -> Iterator[tuple[int, list[EmailMessage]]]:
    """(port, mails received)."""
    mails: list[EmailMessage] = []
    controller = Controller(_Keep(mails), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port, mails
    finally:
        controller.stop()


@contextmanager
def webhook() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(port, JSON documents received)."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port, received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connections(mail_port: int = 0, webhook_port: int = 0) -> dict[str, str]:
    """The environment that makes them Airflow's connections."""
    found = {}
    if mail_port:
        extra = {
            "from_email": "calis@example.edu.cn",
            "to": "staff@example.edu.cn",
            "disable_ssl": True,
            "disable_tls": True,
        }
        mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": mail_port, "extra": extra}
        found["AIRFLOW_CONN_CALIS_MAIL"] = json.dumps(mail)
    if webhook_port:
        hook = {"conn_type": "http", "host": f"http://127.0.0.1:{webhook_port}/robot"}
        found["AIRFLOW_CONN_CALIS_WEBHOOK"] = json.dumps(hook)
    return found
