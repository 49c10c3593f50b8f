"""The file of a pipe's transport, and who waits for its descriptor.

Owns: nothing. The file belongs to the transport, and the callbacks that wait are in the descriptor's FdWatcher.
Promises: the registrations of asyncio's transports. Two transports may share a descriptor, such as that of a pseudo-terminal: one
  reads, the other one writes. A transport also removes a callback that somebody else has put in the place of its own. But it
  touches nothing under a number that belongs to another file by now.
Driven by: ReadPipeTransport and WritePipeTransport.
"""

import os
import stat
from asyncio import base_events, futures

from fastloop.core.fd_watcher cimport FdWatcher, add_reader, add_writer, remove_reader, remove_writer
from fastloop.core.handle cimport Handle, call_soon_uninterrupted, new_handle
from fastloop.core.interruption cimport interrupt_soon
from fastloop.core.loop_counters cimport loop_counter_add_anywhere
from fastloop.poll.poller cimport POLL_READABLE
from fastloop.transports.descriptor_transport cimport transport_take_descriptor
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING
from fastloop.transports.transport cimport transport_init, transport_runs_elsewhere


# ---- made ----

cdef object pipe_take(DescriptorTransport transport, SocketCore loop, object pipe, object protocol, object extra, str refusal):
    cdef int fd = pipe.fileno()
    status = os.fstat(fd)
    mode = status.st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
        raise ValueError(refusal)
    extra = {} if extra is None else extra
    extra["pipe"] = pipe
    transport_init(transport, loop, protocol, None, extra)
    # As in asyncio, each callback has a context of its own: a copy of the one that it was scheduled in.
    transport.context = None
    os.set_blocking(fd, False)
    transport_take_descriptor(transport, pipe, fd)
    return status


cdef int pipe_give(DescriptorTransport transport, object pipe) except -1:
    if pipe is None and transport.fd >= 0:
        pipe_remove_reader(transport)
        pipe_remove_writer(transport)
        transport.fd = -1
        loop_counter_add_anywhere(&transport.loop.counters.transports_closed, 1)
    transport.owner = pipe
    return 0


cdef int pipe_announce(DescriptorTransport transport, object start, tuple args, object waiter) except -1:
    loop = transport.loop
    call_soon_uninterrupted(loop, transport.protocol.connection_made, (transport,), None)
    if start is not None:
        call_soon_uninterrupted(loop, start, args, None)
    if waiter is not None:
        call_soon_uninterrupted(loop, futures._set_result_unless_cancelled, (waiter, None), None)
    return 0


# ---- callbacks that wait for the descriptor ----

cdef int pipe_add_reader(DescriptorTransport transport, object callback) except -1:
    return add_reader(transport.loop, transport.fd, new_waiting_handle(transport.loop, callback))


cdef int pipe_add_writer(DescriptorTransport transport, object callback) except -1:
    return add_writer(transport.loop, transport.fd, new_waiting_handle(transport.loop, callback))


cdef int pipe_remove_reader(DescriptorTransport transport) except -1:
    watcher = pipe_watcher(transport, transport.loop)
    if watcher is not None and watcher.reader is not None and may_remove(transport, watcher.reader):
        remove_reader(transport.loop, transport.fd)
    return 0


cdef int pipe_remove_writer(DescriptorTransport transport) except -1:
    watcher = pipe_watcher(transport, transport.loop)
    if watcher is not None and watcher.writer is not None and may_remove(transport, watcher.writer):
        remove_writer(transport.loop, transport.fd)
    return 0


cdef int pipe_forget(DescriptorTransport transport, SocketCore loop) except -1:
    if pipe_watcher(transport, loop) is not None and file_is_open(transport):
        # Cancelled, so that none of them runs with a descriptor that is closed or reused.
        remove_reader(loop, transport.fd)
        remove_writer(loop, transport.fd)
        loop.unwatch(transport.fd)
    return 0


cdef FdWatcher pipe_watcher(DescriptorTransport transport, SocketCore loop):
    if loop is None or loop.has_closed:
        return None
    found = loop.watcher(transport.fd)
    return <FdWatcher>found if isinstance(found, FdWatcher) else None


cdef bint may_remove(DescriptorTransport transport, Handle handle) except -1:
    return getattr(handle.callback, "__self__", None) is transport or file_is_open(transport)


cdef bint file_is_open(DescriptorTransport transport) except -1:
    try:
        return transport.owner.fileno() == transport.fd
    except Exception:
        return False


cdef Handle new_waiting_handle(SocketCore loop, object callback):
    if loop.has_closed or loop.is_forked:
        loop._check_closed()
    try:
        return new_handle(loop, callback, (), None)
    except BaseException as error:
        if not loop.is_debug:
            raise
        # In debug mode Python code records where a handle is made. A signal handler has interrupted that code.
        handle = new_handle(loop, callback, (), None)
        interrupt_soon(loop, error)
        return handle


# ---- shown ----

cdef bint pipe_note_end(DescriptorTransport transport) except -1:
    if transport.loop is not None and transport.loop.is_debug:
        try:
            base_events.logger.info("%r was closed by peer", transport)
        except BaseException as error:
            # The end must be noted, whatever interrupts the logger.
            interrupt_soon(transport.loop, error)
    return transport.state < TRANSPORT_LOSING


cdef list pipe_describe(DescriptorTransport transport, str name, int number, unsigned int direction):
    cdef FdWatcher watcher
    # Read once: it is None while the file is being closed, which runs code of the program.
    loop = transport.loop
    info = [name]
    if transport.fd < 0:
        info.append("closed")
    elif transport.state >= TRANSPORT_CLOSING:
        info.append("closing")
    info.append(f"fd={number}")
    if transport.fd < 0:
        info.append("closed")
    elif loop is None or loop.has_closed or transport_runs_elsewhere(transport):
        # Nothing is watched, or it cannot be known.
        info.append("open")
    else:
        watcher = pipe_watcher(transport, loop)
        callback = None if watcher is None else watcher.reader if direction == POLL_READABLE else watcher.writer
        info.append("idle" if callback is None else "polling")
    return info
