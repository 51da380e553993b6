"""Readers as pseudonyms: HMAC-SHA256 with a secret of the member, before anything is written.

The secret is never stored with the data.  It comes from the environment (`CALIS_READER_SECRET_<MEMBER>`); or,
where `CALIS_READER_SECRETS` is `airflow`, it is the password of Airflow's connection `calis_reader_<MEMBER>`; else
from the member's key file of mode 600 in `lake.keys()`, which lies beside the lake, not in it; a member that has
none gets one when it is first needed.  Whoever changes a secret, or where it comes from, begins anew: pseudonyms
from before can't be compared with those after.
"""

import hashlib
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from harvesters import credentials
from harvesters.landing import HarvestError
from warehouse import lake

_BLOCK = 64  # bytes of SHA-256's
LENGTH = 32  # bytes of a secret that is made


def secret(member_code: str) -> bytes:
    """The secret of a member.

    Raises:
        HarvestError: the connection is not to be had, the key file is empty, or others than its owner may read it.
    """
    variable = "CALIS_READER_SECRET_" + re.sub(r"\W", "_", member_code).upper()
    if given := os.environ.get(variable):
        return given.encode()
    if place := os.environ.get("CALIS_READER_SECRETS"):
        return _from(place, member_code).encode()
    path = lake.keys() / f"{member_code}.key"
    if not path.exists():
        _make(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise HarvestError(f"{path}: others may read the key; `chmod 600` it, or remove it for a new one", False)
    if len(key := path.read_bytes().strip()) < LENGTH // 2:
        raise HarvestError(f"{path}: no key of {LENGTH // 2} bytes or more; remove it for a new one", False)
    return key


def _from(place: str, member_code: str) -> str:
    if place != "airflow":
        raise HarvestError(f"CALIS_READER_SECRETS is {place!r}: say airflow, or unset it for key files", False)
    name = f"calis_reader_{member_code}"
    found = credentials.connection(name, member_code, "unset CALIS_READER_SECRETS for key files")
    if password := found.get("password"):
        return password
    raise HarvestError(f"the Airflow connection {name!r} has no password; give it one of {LENGTH} letters", False)


def _make(path: Path) -> None:
    """A new key file, whole from the first moment on; of two who make it at once the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    scratch.touch(0o600, exist_ok=False)
    scratch.write_text(secrets.token_hex(LENGTH) + "\n", "ascii")
    try:
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()


class Pseudonyms:
    """The pseudonyms of one member's readers: 63 bits of the HMAC, as signed integers above zero."""

    def __init__(self, member_code: str):
        key = secret(member_code)
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        # RFC 2104, both keyed halves once for all readers: twice as fast as `hmac.digest`
        self._inner, self._outer = (
            hashlib.sha256(bytes(byte ^ pad for byte in key.ljust(_BLOCK, b"\0"))) for pad in (0x36, 0x5C)
        )
        self._known: dict[str, int | None] = {"": None}

    def of(self, readers: Iterable[str]) -> list[int | None]:
        """A pseudonym for each reader; None where nothing is given.

        Width, case and blanks do not count, so one reader is one in every file.
        """
        return [self._known[reader] if reader in self._known else self._one(reader) for reader in readers]

    def _one(self, reader: str) -> int | None:
        text = reader if reader.isascii() else unicodedata.normalize("NFKC", reader)
        text = "".join(text.split()).upper()
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        pseudonym = int.from_bytes(outer.digest()[:8]) >> 1 if text else None
        self._known[reader] = pseudonym
        return pseudonym
