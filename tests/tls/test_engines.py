"""Which engine a connection has."""

import pytest


async def test_connection_says_which_engine_it_has(connect_in_every_way, tls_engine, implementation):
    _, transport, _ = await connect_in_every_way()
    if implementation.name == "asyncio":
        assert transport.get_extra_info("tls_engine") is None
        assert transport.get_extra_info("tls_engine", "none") == "none"


@pytest.mark.fastloop_only
async def test_engine_is_the_one_that_was_asked_for(connect_in_every_way, tls_engine):
    _, transport, _ = await connect_in_every_way()
    assert transport.get_extra_info("tls_engine") == tls_engine


@pytest.mark.fastloop_only
async def test_engine_is_chosen_for_each_connection(tls, tls_engine, monkeypatch):
    _, first, _ = await tls.accepted()
    other = {"direct": "memorybio", "memorybio": "direct"}[tls_engine]
    monkeypatch.setenv("FASTLOOP_TLS_ENGINE", other)
    _, second, _ = await tls.accepted()
    assert [transport.get_extra_info("tls_engine") for transport in (first, second)] == [tls_engine, other]
