"""Segmentation offload by options of the socket, as examples/udp_segments.py shows it."""

import importlib.util
import pathlib
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has these options")


@pytest.fixture(scope="module")
def example():
    pytest.importorskip("fastloop")
    path = pathlib.Path(__file__).resolve().parents[2] / "examples" / "udp_segments.py"
    specification = importlib.util.spec_from_file_location("udp_segments", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


async def test_one_call_is_cut_into_datagrams(loop, example):
    sizes = await example.sizes_received(bytes(2_900), joins=False)
    assert sizes in ([1_200, 1_200, 500], None)


async def test_receiver_may_get_them_joined(loop, example):
    sizes = await example.sizes_received(bytes(2_900), joins=True)
    assert sizes in ([2_900], None)


async def test_kernel_without_the_option_is_told_apart(loop, endpoint, example, capsys):
    transport, _ = await endpoint(local_addr=("127.0.0.1", 0))
    assert example.switch_on(transport, 9_999, 1) is False
    assert "this kernel has no segmentation offload" in capsys.readouterr().out
