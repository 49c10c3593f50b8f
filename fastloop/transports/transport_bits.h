/* What is true of a transport besides its state (lifecycle.h), a bit each.
 *
 * Promises: the class that sets a bit clears it; the others only ask. lifecycle.h says which bits may be set in which state.
 * Thread rule: the loop's thread only. What other threads ask about is in the state.
 */
#ifndef FASTLOOP_TRANSPORT_BITS_H
#define FASTLOOP_TRANSPORT_BITS_H

typedef struct {
    /* Its place in the ready queue: Transport. */
    unsigned is_queued : 1;         /* it is in the ready queue */
    unsigned is_lost_next : 1;      /* and there for connection_lost(None) */
    unsigned has_given_context : 1; /* it was made with a context, in which everything runs; servers do that since Python 3.15 */

    /* The reading half: StreamTransport. */
    unsigned reading_is_paused : 1;   /* pause_reading() was called */
    unsigned may_have_data : 1;       /* the kernel has reported something to read since it last had nothing */
    unsigned peer_may_have_ended : 1; /* the report named an end, an error or urgent data: a short read is not the last one */
    unsigned skips_read : 1;          /* reading was paused after the report: as on asyncio it is ignored, and the kernel asked again */
    unsigned is_receiving : 1;        /* the protocol's callback for received data runs */

    /* The writing half: SendingTransport. */
    unsigned is_blocked : 1;         /* the kernel takes no more; it reports when it does */
    unsigned may_send : 1;           /* it has reported that */
    unsigned protocol_is_paused : 1; /* pause_writing() was called, resume_writing() not yet */

    /* The writing half: WritingTransport. */
    unsigned is_unflushed : 1;  /* among those that are flushed when the running callback returns */
    unsigned eof_is_wanted : 1; /* write_eof() was called */
    unsigned eof_is_sent : 1;   /* and has reached the kernel */

    /* The kind of descriptor, written when the transport is made. */
    unsigned uses_levels : 1; /* watched for levels, and only for what is wanted; otherwise for edges, once and for all */
    unsigned is_tcp : 1;
} transport_bits_t;

#endif
