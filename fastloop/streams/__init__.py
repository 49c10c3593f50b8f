"""fastloop's own stream reader and writer: asyncio's API over bytes that never pass through a protocol's method.

Imports poll, python, core, net and transports only.
"""
