"""The sample consortium from the command: build it, serve its OAI-PMH feeds, or serve them while a stage runs."""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse import lake

log = logging.getLogger("calis")


def _summary_file() -> Path:
    return lake.sample() / "summary.json"


def build(files: list[Path] | None, records: int, seed: int, port: int, keep: bool) -> str:
    """Build the sample (once, with `keep`) and return what there is, as text."""
    from sample import build as builder

    if keep and _summary_file().exists():
        summary = json.loads(_summary_file().read_text("utf-8"))
    else:
        summary = builder.build(files, records=records, seed=seed, port=port)
    return "Sample consortium: " + ", ".join(f"{name} {value}" for name, value in summary.items())


def serve(port: int) -> None:
    """Serve the sample's OAI-PMH feeds until interrupted."""
    from sample import provider

    provider.main(port)


@contextmanager
def provider_of(port: int) -> Iterator[None]:
    """Serve the sample's feeds while the block runs, unless they are served already."""
    from sample import provider

    with socket.socket() as probe:
        probe.settimeout(1)
        served = probe.connect_ex(("127.0.0.1", port)) == 0
    if served:
        yield
        return
    with provider.serve(port):
        yield


@contextmanager
def provider() -> Iterator[None]:
    """Serve the sample's feeds while the block runs, where this lake has a sample at all."""
    if not _summary_file().exists():
        yield
        return
    port = int(json.loads(_summary_file().read_text("utf-8"))["port"])
    with provider_of(port):
        yield
