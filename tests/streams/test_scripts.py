"""The same scripts of feeds and reads on asyncio's reader and loop and on fastloop's: the same results, in the same turns."""

import asyncio

import pytest

pytest.importorskip("hypothesis")

from hypothesis import example, given, settings

import fastloop
from actors.stream_scripts import limit, log_of, turns

COMBINATIONS = {
    "on fastloop": (fastloop.new_event_loop, False),
    "on fastloop in debug mode": (fastloop.new_event_loop, True),
    "on asyncio": (asyncio.SelectorEventLoop, False),
}


@pytest.mark.parametrize("combination", COMBINATIONS)
@settings(deadline=None, max_examples=400, database=None)
@example(1, [[("start", [("readline",)]), ("feed", b"aaa\n")], [("start", [("read", -1)])], [("eof",)]])
@example(3, [[("feed", b"aaaaaaaa"), ("start", [("readexactly", 9)])], [("look",), ("feed", b"b")]])
@given(limit, turns)
def test_scripts_lead_to_what_they_lead_to_in_asyncio(combination, limit, script):
    new_event_loop, debug = COMBINATIONS[combination]
    expected = log_of(asyncio.SelectorEventLoop, asyncio.StreamReader, limit, script)
    assert log_of(new_event_loop, fastloop.StreamReader, limit, script, debug=debug) == expected
