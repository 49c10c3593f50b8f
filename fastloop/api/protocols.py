"""The protocol API: asyncio's base classes, to be derived from by whoever is told what a transport receives."""

from asyncio import BaseProtocol, BufferedProtocol, DatagramProtocol, Protocol, SubprocessProtocol

__all__ = ["BaseProtocol", "BufferedProtocol", "DatagramProtocol", "Protocol", "SubprocessProtocol"]
