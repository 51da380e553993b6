"""Credentials of a source: from an Airflow connection or the environment, and nowhere else.

The row names a connection (`connection=whu-sftp` in quirks), which Airflow keeps encrypted; without one they stand
in the environment, as `CALIS_CREDENTIAL_<SOURCE>` (letters in capitals, anything else than letters and digits as
`_`): a JSON object, or `user:password`.  What any of them is used for is up to the protocol::

    user, password                       SFTP, FTP, HTTP Basic, SRU, Z39.50; S3: access key and secret key
    private_key, passphrase              SFTP: a private key (PEM), instead of a password
    customer_id, requestor_id, api_key   SUSHI
    group                                Z39.50

A secret that was handed out is known to this module from then on: `masked` takes it out of any text, and every
log record of the process goes through it, since libraries log addresses and errors that quote what was sent.
"""

import base64
import json
import logging
import os
import re
import threading
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from harvesters.landing import HarvestError
from harvesters.registry import Source

PREFIX = "CALIS_CREDENTIAL_"
OPEN = ("user", "customer_id", "requestor_id", "platform", "group")  # names, not secrets
TELLING = 8  # letters of a secret that can't stand in content by chance
SHORTEST = 4  # a shorter one can't be told from ordinary text
HIDDEN = "***"

_secrets: tuple[str, ...] = ()  # in every spelling, longest first; replaced, never changed
_adding = threading.Lock()


def variable(source_id: str) -> str:
    """The environment variable that holds the credentials of a source."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", source_id.upper())


def of(source: Source) -> dict[str, str]:
    """The credentials of a source by name; empty where there are none.

    Raises:
        HarvestError: the connection is not to be had, or the variable is not readable.  Neither's value is told.
    """
    named = source.quirks.get("connection", "")
    if named:
        found = connection(named, source.source_id, "take it out of quirks in sources.csv")
    else:
        found = _from_environment(source)
    for name, value in found.items():
        if name not in OPEN:
            _remember(value)
    if basic := _basic(found):
        _remember(basic)
    return found


def _basic(given: Mapping[str, str]) -> str:
    """How HTTP writes user and password (RFC 7617); "" without them."""
    if not given.get("password"):
        return ""
    return base64.b64encode(f"{given.get('user', '')}:{given['password']}".encode()).decode()


def _from_environment(source: Source) -> dict[str, str]:
    name = variable(source.source_id)
    text = os.environ.get(name, "").strip()
    if not text:
        return {}
    if not text.startswith("{"):
        user, colon, password = text.partition(":")
        if not colon:
            raise HarvestError(f"{name} is neither a JSON object nor user:password", resumable=False)
        return {"user": user, "password": password}
    try:
        return _texts(json.loads(text))
    except (ValueError, AttributeError):
        message = f'{name} is no JSON object of texts, such as {{"user": "…", "password": "…"}}'
    raise HarvestError(message, resumable=False)  # outside, so that no context quotes the text


def connection(name: str, asking: str, otherwise: str) -> dict[str, str]:
    """What an Airflow connection holds: user, password and the rest by name.

    Args:
        name: of the connection.
        asking: the source or member that wants it.
        otherwise: what to do where it is not to be had and is not to be added.

    Raises:
        HarvestError: it is not to be had.
    """
    try:
        from airflow.sdk import BaseHook

        found = BaseHook.get_connection(name)
        extra = found.extra_dejson
    except Exception as error:
        message = (
            f"{asking} wants the Airflow connection {name!r}, which is not to be had ({type(error).__name__}); "
            f"add it in Airflow, or {otherwise}"
        )
    else:
        return _texts({"user": found.login, "password": found.password, **extra})
    raise HarvestError(message, resumable=False)


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in found.items() if value not in (None, "")}


# --- keeping them out of what is written -----------------------------------------------------------------


def _remember(secret: str) -> None:
    """Know a secret in the spellings that addresses and JSON give it."""
    lines = [line for line in secret.splitlines() if len(line) > SHORTEST] or [secret]  # a key has several
    spellings = {
        spelling
        for part in {secret, *lines}
        for spelling in (part, quote(part), quote(part, safe=""), quote_plus(part), json.dumps(part)[1:-1])
        if len(spelling) >= SHORTEST
    }
    global _secrets
    with _adding:
        _secrets = tuple(sorted({*_secrets, *spellings}, key=len, reverse=True))
    _watch_logs()


def masked(text: str) -> str:
    """The text without any secret that was handed out."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def refuse_echo(content: bytes, given: Mapping[str, str]) -> None:
    """Refuse content that holds a secret of the source: it would be kept as it came.

    Raises:
        HarvestError: it does.
    """
    for name, value in {**given, "login": _basic(given)}.items():
        if name not in OPEN and len(value) >= TELLING and value.encode() in content:
            raise HarvestError(
                f"the answer holds the {name} that was sent, so it was not kept; tell the member that its server "
                "sends secrets back",
                resumable=False,
            )


def _watch_logs() -> None:
    """Put `masked` into the making of log records, once a process; handlers and levels don't matter then."""
    make = logging.getLogRecordFactory()
    if getattr(make, "masks_secrets", False):
        return

    def masking(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        try:
            text = record.getMessage()
        except Exception:
            text = str(record.msg)
        if record.exc_info and record.exc_info[0]:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        if (clean := masked(text)) != text:
            record.msg, record.args, record.exc_info = clean, (), None
        return record

    masking.masks_secrets = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(masking)
