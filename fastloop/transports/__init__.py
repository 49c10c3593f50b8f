"""Protocols over descriptors: transports and listeners. Hot.

Order: lifecycle.h first, then transport.pyx and stream_transport.pyx.
Knows asyncio's protocols, but nothing of TLS.
"""
