"""Bytes through descriptors: transports, listeners and socket operations. Hot.

Order: lifecycle.h first, then transport.pyx and stream_transport.pyx.
Stands on core; knows asyncio's protocols, but nothing of TLS.
"""
