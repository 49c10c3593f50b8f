/* What is true of a transport besides its state (lifecycle.h), one bit each.
 *
 * Promises: the class that sets a bit clears it; the others only ask. lifecycle.h says which bits may be set in which state.
 * Thread rule: the loop's thread only. Other threads ask about the state.
 */
#ifndef FASTLOOP_TRANSPORT_BITS_H
#define FASTLOOP_TRANSPORT_BITS_H

typedef struct {
    /* Its place in the ready queue: Transport. */
    unsigned is_queued : 1;                 /* it is in the ready queue */
    unsigned connection_lost_is_queued : 1; /* it is in the ready queue for connection_lost(None) */
    unsigned has_given_context : 1;         /* it was made with a context, and everything runs in that; servers do so since Python 3.15 */

    /* The reading half: DescriptorTransport. Its subclasses clear skips_read, when they skip one. */
    unsigned may_have_data : 1;       /* the kernel has reported something to read since it last had nothing */
    unsigned peer_may_have_ended : 1; /* the report had POLL_CLOSED: after a short read, an end of file or urgent data may follow */
    unsigned reading_is_paused : 1;   /* pause_reading() was called */
    unsigned skips_read : 1;          /* reading was paused after the report: as in asyncio it is ignored, and the kernel asked again */

    /* The reading half: StreamTransport. */
    unsigned is_receiving : 1; /* the protocol's callback for received data is running */

    /* The writing half: FlowControlTransport. Its subclasses clear is_blocked. */
    unsigned is_blocked : 1;         /* the kernel takes no more, and will report when it does */
    unsigned may_send : 1;           /* that report has come */
    unsigned protocol_is_paused : 1; /* pause_writing() was called, resume_writing() not yet */

    /* The writing half: WritingTransport. */
    unsigned is_unflushed : 1;  /* it will be flushed when the running callback returns */
    unsigned eof_is_wanted : 1; /* write_eof() was called */
    unsigned eof_is_sent : 1;   /* the end of file has reached the kernel */

    /* The kind of descriptor, written when the transport is made. */
    unsigned uses_levels : 1; /* level-triggered, only for what is wanted; otherwise edge-triggered, once for everything */
    unsigned is_tcp : 1;
} transport_bits_t;

#endif
