"""Pools and batches: every protocol has a pool, no host is in two batches, and no run has too many tasks."""

from typing import get_args

from harvesters import pools
from harvesters.harvest import PROTOCOLS
from harvesters.registry import Source


def sources(hosts: dict[str, int]) -> list[Source]:
    return [
        Source(
            source_id=f"{host}-{number}".replace(".", "-"),
            member_code="A",
            protocol="oai",
            address=f"http://{host}/{number}/oai",
            metadata_prefix="oai_dc",
        )
        for host, count in hosts.items()
        for number in range(count)
    ]


def test_a_run_has_at_most_64_batches():
    assert sum(pool.batches for pool in pools.load().values()) == 64
    many = pools.batches(sources({f"h{n}.example.org": 1 for n in range(1800)}), 40)
    assert len(many) == 40
    assert {len(batch) for batch in many} == {45}


def test_every_protocol_has_a_pool():
    declared = get_args(Source.model_fields["protocol"].annotation)
    assert {pools.of_protocol(protocol) for protocol in [*PROTOCOLS, *declared]} <= set(pools.harvesting())
    assert pools.of_protocol("oai") == "harvest_oai"
    assert pools.of_protocol("folder") == "harvest_files"


def test_the_sources_of_a_host_come_into_one_batch():
    dealt = pools.batches(sources({"shared.example.org": 7, "a.example.org": 1, "b.example.org": 1}), 40, least=2)
    assert sum(map(len, dealt)) == 9
    assert sorted(sum(name.startswith("shared") for name in batch) for batch in dealt)[-1] == 7
    assert all(dealt)


def test_no_sources_make_no_batches():
    assert pools.batches([], 40) == []
