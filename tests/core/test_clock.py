"""The loop's clock: the headers of other systems and processors, compiled here."""

import ctypes
import math
import platform
import random
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from actors.probes import compile_probe

SOURCE = Path(__file__).parent / "clock_probe.c"
NS_PER_DAY = 86_400_000_000_000


@pytest.fixture
def new_probe(tmp_path):
    """Compiles clock.h with these options."""

    def compiled(*options):
        library = tmp_path / "clock_probe.so"
        compile_probe(library, SOURCE, options)
        probe = ctypes.CDLL(str(library))
        probe.probe_now_ns.restype = ctypes.c_int64
        probe.probe_seconds.restype = ctypes.c_double
        probe.probe_seconds.argtypes = [ctypes.c_int64]
        return probe

    return compiled


def test_clock_is_that_of_time_monotonic(new_probe):
    probe = new_probe()
    before = time.monotonic_ns()
    now = probe.probe_now_ns()
    assert before <= now <= time.monotonic_ns()


@pytest.mark.skipif(not hasattr(time, "CLOCK_PROCESS_CPUTIME_ID"), reason="the system has no second clock that only grows")
def test_clock_of_macos_is_taken_where_it_exists(new_probe):
    """There CLOCK_MONOTONIC goes on while the system sleeps, and time.monotonic() stands still."""
    # A clock that surely differs from the monotonic one stands for it.
    probe = new_probe("-include", "time.h", f"-DCLOCK_UPTIME_RAW={time.CLOCK_PROCESS_CPUTIME_ID}")
    before = time.process_time_ns()
    now = probe.probe_now_ns()
    assert before <= now <= time.process_time_ns()


def assert_seconds_equal(probe, expected):
    chance = random.Random(104)
    for days in (1, 103, 105, 1000, 10_000):
        for time_ns in [chance.randrange((days - 1) * NS_PER_DAY, days * NS_PER_DAY) for _ in range(2000)]:
            assert probe.probe_seconds(time_ns) == expected(time_ns), time_ns


def test_seconds_are_those_of_cpython_to_the_last_bit(new_probe):
    assert_seconds_equal(new_probe(), lambda time_ns: time_ns / 1e9)


def x87_seconds(time_ns):
    """What CPython gets on a processor whose registers have 64 bits of precision: the quotient is rounded to these, then to a double."""
    quotient = Fraction(float(time_ns)) / 10**9
    unit = Fraction(2) ** (math.frexp(quotient)[1] - 64)
    return float(round(quotient / unit) * unit)


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.maxsize < 2**32, reason="an option of the compiler for x86-64")
def test_seconds_have_no_more_bits_than_a_double_on_x87(new_probe):
    """From 104 days of uptime on, a quarter of the times would differ by one bit."""
    assert_seconds_equal(new_probe("-mfpmath=387"), x87_seconds)
