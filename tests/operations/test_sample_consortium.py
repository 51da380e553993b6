"""The sample's provider during a stage: started when needed, never mistaken for another lake's."""

import httpx
import pytest

from operations import sample_consortium
from sample import provider
from tests import consortium


def test_it_is_served_during_the_block_only(built_consortium, lake_home):
    home, port = built_consortium
    consortium.copied(home, lake_home)
    address = f"http://127.0.0.1:{port}/D33001-oai/oai?verb=Identify"
    with sample_consortium.provider():
        assert "<Identify>" in httpx.get(address).text
        with sample_consortium.provider():  # served already: nothing is started
            assert "<Identify>" in httpx.get(address).text
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_another_lakes_provider_is_not_taken_for_ours(built_consortium, lake_home):
    home, port = built_consortium
    consortium.copied(home, lake_home)
    with (
        provider.serve(port, folder=home / "sample" / "oai"),
        pytest.raises(provider.ProviderError, match=f"port {port}"),
        sample_consortium.provider(),
    ):
        pass


def test_without_a_sample_nothing_is_served(lake_home):
    with sample_consortium.provider():
        pass
