"""The address of a Unix socket that has no name, as other kernels tell it: sockaddr.h, compiled as for them."""

import ctypes
import socket
import struct
import sys
from pathlib import Path

import pytest

from actors.probes import compile_probe

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a BSD lays out its addresses differently")


def address_text(tmp_path, address, *options):
    library = tmp_path / "sockaddr_probe.so"
    compile_probe(library, Path(__file__).parent / "sockaddr_probe.c", options)
    probe = ctypes.PyDLL(str(library))
    probe.probe_to_python.restype = ctypes.py_object
    probe.probe_to_python.argtypes = [ctypes.c_char_p, ctypes.c_uint]
    return probe.probe_to_python(address, len(address))


def unix_address(path):
    return struct.pack("@H", socket.AF_UNIX) + path


def test_zeros_are_no_name_where_names_cannot_begin_with_a_zero(tmp_path):
    """macOS and the BSDs fill the address of a nameless socket with 14 zeros."""
    assert address_text(tmp_path, unix_address(bytes(14)), "-DPROBE_OTHER_KERNEL") == ""


def test_zeros_are_a_name_on_linux(tmp_path):
    assert address_text(tmp_path, unix_address(bytes(14))) == bytes(14)


@pytest.mark.parametrize("options", [(), ("-DPROBE_OTHER_KERNEL",)])
def test_address_without_a_path_and_one_with_a_path(tmp_path, options):
    assert address_text(tmp_path, unix_address(b""), *options) == ""
    assert address_text(tmp_path, unix_address(b"/run/server\0\0"), *options) == "/run/server"
    # Linux counts the zero byte behind a path that leaves no room for it.
    assert address_text(tmp_path, unix_address(b"p" * 108 + b"\0"), *options) == "p" * 108
