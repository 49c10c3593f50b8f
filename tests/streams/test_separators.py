"""readuntil() with one separator and with several, against a model that looks through everything each time.

Several separators are asyncio's from Python 3.13 on, and fastloop's everywhere.
"""

import asyncio

import pytest

pytest.importorskip("hypothesis")

from hypothesis import example, given, settings
from hypothesis import strategies as st

import fastloop

text = st.lists(st.sampled_from([b"a", b"b", b"\n"]), max_size=12).map(b"".join)
separators = st.lists(text.filter(len), min_size=1, max_size=3).map(tuple)


def modelled(separators, limit, chunks):
    """What readuntil() leads to, as (kind, details, what stays unread), when these chunks arrive one by one and then the end."""
    separators = sorted(separators, key=len)
    shortest, longest = len(separators[0]), len(separators[-1])
    searched, unread = 0, b""
    for chunk in [b"", *chunks, None]:
        unread += chunk or b""
        found = [(unread.find(one) + len(one), len(one)) for one in separators if one in unread]
        if found:
            end, size = min(found)
            if end - size > limit:
                return "overrun", end - size, unread
            return "data", unread[:end], unread[end:]
        if len(unread) - searched >= shortest:
            searched = max(0, len(unread) + 1 - longest)
            if searched > limit:
                return "overrun", searched, unread
        if chunk is None:
            return "incomplete", unread, b""


async def read(reader, separators, chunks):
    reading = asyncio.create_task(reader.readuntil(separators))
    for chunk in [*chunks, None]:
        await asyncio.sleep(0)
        if chunk is None or reading.done():
            reader.feed_eof()
            break
        reader.feed_data(chunk)
        await asyncio.sleep(0)
    try:
        return "data", await reading
    except asyncio.IncompleteReadError as error:
        assert error.expected is None
        return "incomplete", error.partial
    except asyncio.LimitOverrunError as error:
        return "overrun", error.consumed


@settings(deadline=None, max_examples=500, database=None)
@given(separators, st.sampled_from([1, 3, 8, 100]), st.lists(text.filter(len), max_size=6))
@example((b"b", b"ab"), 100, [b"xab"])
@example((b"\n", b"b\n"), 1, [b"aab", b"\n"])
@example((b"aaab", b"a\n"), 100, [b"aaa", b"aa", b"b"])
def test_readuntil_finds_what_the_model_finds(separators, limit, chunks):
    async def main():
        reader = fastloop.StreamReader(limit=limit, loop=asyncio.get_running_loop())
        result = await read(reader, separators[0] if len(separators) == 1 else separators, chunks)
        kind, details, unread = modelled(separators, limit, chunks)
        assert result == (kind, details)
        assert bytes(reader._buffer)[: len(unread)] == unread[: len(reader._buffer)]

    fastloop.run(main())


@pytest.mark.fastloop_only
@pytest.mark.parametrize(
    ("separators", "message"),
    [((), "Separator should contain at least one element"), ((b"a", b""), "Separator should be at least one-byte string")],
)
async def test_useless_separators_are_refused_when_the_read_begins(loop, reader, separators, message):
    reading = reader.readuntil(separators)
    with pytest.raises(ValueError, match=message):
        await reading


@pytest.mark.parametrize("separator", [b"", bytearray(b"\n"), memoryview(b"\n"), "\n", 3, None])
async def test_unusual_separators_do_what_they_do_in_asyncio(loop, reader, separator):
    async def outcome(reader):
        reader.feed_data(b"one\ntwo")
        try:
            return await reader.readuntil(separator)
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    assert await outcome(reader) == await outcome(asyncio.StreamReader(loop=loop))


@pytest.mark.fastloop_only
async def test_several_separators_are_found_in_a_buffer_that_the_program_uses(loop, reader):
    reader._buffer.extend(b"one.two\n")
    assert await reader.readuntil((b"\n", b".")) == b"one."
    assert reader._buffer == b"two\n"
