"""Segmentation offload: one sendto() for many datagrams of the same size, as QUIC needs it. Linux only.

UDP_SEGMENT makes the kernel cut what is sent into datagrams. It is an option of the socket, off unless the program sets it, and it
works with any sendto(). UDP_GRO is its opposite: the kernel joins datagrams of one sender. The size of the parts comes as ancillary
data, which datagram_received() does not get. So use it only where the size is fixed or is in the data.
"""

import asyncio
import socket

import fastloop

# From linux/udp.h. Python's socket module does not name them.
UDP_SEGMENT = 103
UDP_GRO = 104
SEGMENT_BYTES = 1200


def switch_on(transport, option, value):
    """Set an option of UDP. Returns whether the kernel has it."""
    try:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_UDP, option, value)
    except OSError as error:
        print(f"this kernel has no segmentation offload: {error.strerror}")
        return False
    return True


class Receiver(asyncio.DatagramProtocol):
    def __init__(self, expected_bytes):
        self.missing = expected_bytes
        self.sizes = []
        self.done = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, address):
        self.sizes.append(len(data))
        self.missing -= len(data)
        if self.missing == 0:
            self.done.set_result(self.sizes)


async def sizes_received(data, joins):
    """Send data in one call. Returns the sizes of the datagrams that arrive, or None."""
    loop = asyncio.get_running_loop()
    receiver, protocol = await loop.create_datagram_endpoint(lambda: Receiver(len(data)), local_addr=("127.0.0.1", 0))
    sender, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=receiver.get_extra_info("sockname"))
    try:
        if switch_on(sender, UDP_SEGMENT, SEGMENT_BYTES) and (not joins or switch_on(receiver, UDP_GRO, 1)):
            sender.sendto(data)
            return await asyncio.wait_for(protocol.done, 10)
    finally:
        sender.close()
        receiver.close()


async def main():
    data = bytes(10 * SEGMENT_BYTES - 500)
    print("one call, received as", await sizes_received(data, joins=False))
    print("with UDP_GRO as", await sizes_received(data, joins=True))


if __name__ == "__main__":
    fastloop.run(main())
