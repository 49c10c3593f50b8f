"""SendfileMethods: sendfile(2) for transports.

Owns: nothing. asyncio's own sendfile() checks the arguments and calls this. Where the kernel cannot send the file,
  asyncio reads and writes. Its sock_sendfile() needs only add_writer().
Promises: what asyncio does: the number of bytes sent, and the file's position after the last one, whatever happened.
Driven by: the task that sends. It waits only while the kernel takes no more.
"""

import asyncio
import io
import os
import sys

from fastloop.transports.writing_transport import WritingTransport

# On 32-bit systems a larger value overflows.
MAX_BLOCK_BYTES = sys.maxsize // 2 + 1


class SendfileMethods:
    """The part of the loop that sends files."""

    async def _sendfile_native(self, transp, file, offset, count):
        if not isinstance(transp, WritingTransport):
            # A transport of asyncio's, for a socket object with methods of its own.
            return await super()._sendfile_native(transp, file, offset, count)
        self._check_sendfile_params(transp.get_extra_info("socket"), file, offset, count)
        resumes_reading = transp.is_reading()
        transp.pause_reading()
        await transp._make_empty_waiter()
        try:
            return await _send(transp, file, offset, count)
        finally:
            transp._reset_empty_waiter()
            if resumes_reading:
                transp.resume_reading()


async def _send(transport, file, offset, count):
    """Send count bytes of file from offset on, or up to its end if count is None."""
    source, size = _regular_file(file)
    if size == 0 and count is None:
        return 0
    sent = 0
    try:
        while count is None or sent < count:
            block = min(size if count is None else count - sent, MAX_BLOCK_BYTES)
            try:
                done = os.sendfile(transport._open_descriptor(), source, offset + sent, block)
            except (BlockingIOError, InterruptedError):
                await transport._wait_writable()
                continue
            except OSError as error:
                if sent == 0 and not isinstance(error, ConnectionError):
                    raise asyncio.SendfileNotAvailableError("os.sendfile call failed") from error
                raise
            if done == 0:
                break
            sent += done
            transport._loop._count_sent(done)
            # A peer that takes everything at once must not starve the rest of the loop.
            await asyncio.sleep(0)
        return sent
    finally:
        os.lseek(source, offset + sent, os.SEEK_SET)


def _regular_file(file):
    """Return the descriptor and the size of a file that the kernel may be able to send."""
    if not hasattr(os, "sendfile"):
        raise asyncio.SendfileNotAvailableError("os.sendfile() is not available")
    try:
        source = file.fileno()
        return source, os.fstat(source).st_size
    except (AttributeError, OSError, io.UnsupportedOperation):
        raise asyncio.SendfileNotAvailableError("not a regular file") from None
