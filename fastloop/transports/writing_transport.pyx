"""WritingTransport: write() and writelines(), and which writes are held for the next one.

Owns: the habit of writing: how many writes a burst has, and how fast they follow one another.
Promises: a write is sent at once, except that the first writes of a step are held where another one is almost certain
  (write_habit.h). Held data is sent with the last write of the burst, with any question to the transport, or when the step ends.
Driven by: the program's writes, and the scheduler, which flushes.
"""

from asyncio import transports

from cpython.buffer cimport PyObject_CheckBuffer
from cpython.bytes cimport PyBytes_CheckExact
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from fastloop.core.scheduler cimport scheduler_expect_events, scheduler_flush_later, scheduler_is_in_step
from fastloop.net.syscalls cimport net_shutdown_write
from fastloop.python.capi cimport object_type
from fastloop.python.cpython_compat cimport COMPAT_WRITELINES_HAS_ITS_NAME
from fastloop.transports.descriptor_transport cimport transport_fd
from fastloop.transports.flow_control_transport cimport check_data, plain_data
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING
from fastloop.transports.transport cimport transport_closes_elsewhere, transport_runs_elsewhere
from fastloop.transports.write_habit cimport (
    write_burst_continues, write_burst_count, write_burst_expects_more, write_burst_expects_return,
    write_burst_is_fresh, write_burst_now, write_habit_learn, write_habit_learn_return, write_habit_of_class,
    write_habit_open)


cdef enum:
    # More than this is sent at once: waiting would only keep the kernel idle.
    MAX_HELD_BYTES = 65536


cdef:
    # Its name in asyncio's messages.
    str WRITELINES = "writelines" if COMPAT_WRITELINES_HAS_ITS_NAME else "write"
    # The base class of asyncio's own stream transports, which asyncio's sendfile() insists on.
    object FLOW_CONTROL = transports._FlowControlMixin


cdef class WritingTransport(SendingTransport):
    """The writing half of what asyncio.Transport promises; isinstance() accepts it as one."""

    def __cinit__(self, *args, **kwargs):
        write_habit_open(&self.burst.habit)

    @property
    def __class__(self):
        return FLOW_CONTROL

    def write(self, data):
        """Send data, a bytes-like object, without blocking. Mutable data is copied.

        It is sent at once, except where the program's habit says that another write follows within microseconds. Then both are
        sent together, at the latest when the running callback or step ends. After the connection is lost, data is dropped.
        Raises TypeError for anything that is not bytes-like, RuntimeError after write_eof() and during sendfile().
        """
        self.write_data(data)

    cdef int write_data(self, object data) except -1:
        if not PyBytes_CheckExact(data):
            check_data(data)
            data = plain_data(data)
        self.check_writable("write")
        if not len(data) or self.drops_writes():
            return 0
        scheduler_expect_events(self.loop)
        if self.bits.is_blocked:
            self.push(data)
            self.pause_protocol_if_full()
        elif self.holds_back():
            self.push(data)
            self.hold()
        else:
            if self.output.count > 0:
                self.push(data)
                self.send_output_and_pause()
            elif PyBytes_CheckExact(data):
                self.send_bytes(data)
            else:
                self.send_buffer(data)
            self.burst.ended_at = write_burst_now()
        return 0

    def writelines(self, list_of_data):
        """Send the bytes-like objects of an iterable, one after the other; see write()."""
        self.check_writable(WRITELINES)
        list_of_data = list(list_of_data)
        # All or nothing: a bad item must not leave half a message behind.
        list_of_data = [data if PyBytes_CheckExact(data) else plain_buffer(data) for data in list_of_data]
        list_of_data = [data for data in list_of_data if data]
        if not list_of_data or self.drops_writes():
            return
        for data in list_of_data:
            self.push(data)
        scheduler_expect_events(self.loop)
        if self.bits.is_blocked:
            self.pause_protocol_if_full()
        elif self.holds_back():
            self.hold()
        else:
            self.send_output_and_pause()
            self.burst.ended_at = write_burst_now()

    cdef int check_writable(self, str method) except -1:
        if self.bits.eof_is_wanted:
            raise RuntimeError(f"Cannot call {method}() after write_eof()")
        if self.sendfile is not None:
            raise RuntimeError(f"unable to {method}; sendfile is in progress")
        return 0

    # ---- waiting for the rest of a burst ----

    cdef bint holds_back(self) noexcept:
        """Count a write. Return whether to hold it back: another one is almost certain, in this step of the loop's own thread."""
        cdef uint32_t step = <uint32_t>self.loop.counters.steps
        cdef bint continues = write_burst_continues(&self.burst, step)
        if not continues and self.burst.count > 0:
            self.end_burst()
        write_burst_count(&self.burst, step, continues)
        if write_burst_expects_more(&self.burst) or (
                self.bits.is_receiving and write_burst_expects_return(&self.burst)):
            return scheduler_is_in_step(self.loop) and not self.owner_is_shared()
        return False

    cdef int hold(self) except -1:
        """Something was pushed: hold it for the rest of the burst, unless it is too much already."""
        self.burst.ended_at = write_burst_now()
        if self.output.size_bytes > max_held_bytes(self):
            self.send_output_and_pause()
            self.burst.ended_at = write_burst_now()
        elif not self.bits.is_unflushed:
            self.bits.is_unflushed = True
            return scheduler_flush_later(self.loop, self)
        return 0

    cdef int end_burst(self) noexcept:
        write_habit_learn(&self.burst.habit, self.burst.count)
        if self.protocol is not None:
            write_habit_learn(write_habit_of_class(object_type(<PyObject *>self.protocol)), self.burst.count)
        self.burst.count = 0
        return 0

    cdef int learn_from_return(self) noexcept:
        cdef bint is_soon
        if self.burst.count == 1 and self.protocol is not None and self.burst.step == <uint32_t>self.loop.counters.steps:
            is_soon = write_burst_is_fresh(&self.burst)
            write_habit_learn_return(&self.burst.habit, is_soon)
            write_habit_learn_return(write_habit_of_class(object_type(<PyObject *>self.protocol)), is_soon)
        return 0

    cdef int protocol_changed(self) except -1:
        self.burst.habit = write_habit_of_class(object_type(<PyObject *>self.protocol))[0]
        return 0

    cdef int send_held(self) except -1:
        if transport_runs_elsewhere(self):
            # What is held is sent when the step of the loop's thread ends.
            return 0
        self.burst.may_hold = False
        if self.burst.count > 0:
            self.end_burst()
        if self.output.count > 0 and not self.bits.is_blocked:
            return self.flush()
        return 0

    cdef int flush(self) except -1:
        self.bits.is_unflushed = False
        if self.output.count > 0 and not self.bits.is_blocked:
            return self.send_output_and_pause()
        return 0

    cdef int abandon_output(self) except -1:
        if self.burst.count > 0:
            self.end_burst()
        return SendingTransport.abandon_output(self)

    # ---- the end ----

    def write_eof(self):
        """Send what was written, then the end of file. Reading still works. Does nothing the second time."""
        if self.state >= TRANSPORT_CLOSING or self.bits.eof_is_wanted:
            return
        self.bits.eof_is_wanted = True
        if not self.bits.is_blocked:
            self.send_output()

    def can_write_eof(self):
        """Return True: a stream socket can be half-closed."""
        return True

    cdef int finish_writing(self) except -1:
        if not self.bits.eof_is_sent:
            self.bits.eof_is_sent = True
            net_shutdown_write(transport_fd(self))
        return 0

    def close(self):
        """Send what was written, then close. No more data arrives, and connection_lost(None) follows."""
        if transport_closes_elsewhere(self):
            return
        if self.state < TRANSPORT_CLOSING and self.output.count > 0 and not self.bits.is_blocked:
            self.send_output()
        if self.state >= TRANSPORT_CLOSING:
            return
        if self.output.count == 0:
            self.begin_losing(None)
        else:
            self.move_to(TRANSPORT_CLOSING)

    def abort(self):
        """Close at once. What the kernel has not taken is dropped. connection_lost(None) is called in the next turn."""
        # asyncio has passed it to the kernel by now, as far as there was room.
        if self.state < TRANSPORT_LOSING and self.output.count > 0 and not self.bits.is_blocked:
            self.send_output()
        self.begin_losing(None)


cdef inline size_t max_held_bytes(WritingTransport self) noexcept:
    """How much may be held. A program that sets a lower limit wants to know early what the kernel does not take."""
    return min(self.limits.high_bytes, <size_t>MAX_HELD_BYTES)


cdef object plain_buffer(object data):
    if not PyObject_CheckBuffer(data):
        check_data(data)
    return plain_data(data)
