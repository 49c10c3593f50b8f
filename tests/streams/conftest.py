"""Fixtures of the stream tests: asyncio's stream functions and classes on asyncio's loop, fastloop's own on fastloop's."""

import asyncio

import pytest


@pytest.fixture
def streams(implementation):
    """The module with the functions and classes under test."""
    if implementation.name == "asyncio":
        return asyncio
    import fastloop

    return fastloop


@pytest.fixture
def reader(streams, loop):
    return streams.StreamReader(loop=loop)
