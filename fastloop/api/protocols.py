"""The protocol API: asyncio's base classes of protocols."""

from asyncio import BaseProtocol, BufferedProtocol, DatagramProtocol, Protocol, SubprocessProtocol

__all__ = ["BaseProtocol", "BufferedProtocol", "DatagramProtocol", "Protocol", "SubprocessProtocol"]
