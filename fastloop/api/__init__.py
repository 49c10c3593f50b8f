"""The thin Python layer: the loop's cold methods, and the Task, Transport and Protocol APIs.

Owns: nothing that is hot.
Promises: asyncio's own code runs wherever fastloop has no reason to replace it.
"""
