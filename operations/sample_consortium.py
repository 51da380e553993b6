"""The sample consortium from the command: build it, serve its OAI-PMH feeds, or serve them while a stage runs."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from warehouse import lake
from warehouse.progress import Progress

log = logging.getLogger("calis")


def _expected_file() -> Path:
    return lake.sample() / "expected.json"


def build(files: list[Path] | None, records: int, seed: int, port: int, keep: bool) -> str:
    """Build the sample (once, with `keep`) and say what there is."""
    from sample import build as builder

    if not (keep and _expected_file().exists()):
        with Progress("build the sample", "records") as progress:

            def at(done: int, total: int) -> None:
                progress.total = total
                progress.advance(done - progress.count)

            builder.build(files, records=records, seed=seed, port=port, progress=at)
    found = json.loads(_expected_file().read_text("utf-8"))
    return (
        f"Sample consortium: {found['records']:,} records of {found['books']:,} books in {len(found['sources'])} "
        f"feeds, {found['items']:,} items, {found['loans']:,} circulation events\n"
        f"  in {lake.sample()}; registry in {lake.registry()}"
    )


def update(files: list[Path] | None) -> str:
    """Let the sample's libraries work for another day, and say what they changed."""
    from sample import update as updater

    lines = [
        f"  {source}: " + ", ".join(f"{count} {what}" for what, count in counts.items())
        for source, counts in updater.update(files).items()
    ]
    return "Changed since:\n" + "\n".join(lines)


def serve(port: int) -> None:
    """Serve the sample's OAI-PMH feeds until interrupted."""
    from sample import provider

    provider.main(port)


def _is_served(port: int) -> bool:
    """Whether the provider of this very sample answers at the port already."""
    from sample.provider import SIGNATURE, signature

    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
    except httpx.HTTPError:
        return False
    return answer.headers.get(SIGNATURE) == signature(lake.sample() / "oai")


@contextmanager
def provider() -> Iterator[None]:
    """Serve the sample's feeds while the block runs, unless this lake has no sample or they are served already."""
    from sample import provider as oai_provider

    port = int(json.loads(_expected_file().read_text("utf-8"))["port"]) if _expected_file().exists() else 0
    if not port or _is_served(port):
        yield
    else:
        with oai_provider.serve(port):
            yield
