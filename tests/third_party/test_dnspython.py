"""dnspython's asynchronous resolver and queries against a small name server: over UDP, over TCP, and from one to the other."""

import asyncio
import contextlib
import socket

import pytest

dns_asyncquery = pytest.importorskip("dns.asyncquery", reason="dnspython is not installed (pip install dnspython)")
dns_asyncresolver = pytest.importorskip("dns.asyncresolver")
dns_message = pytest.importorskip("dns.message")
dns_flags = pytest.importorskip("dns.flags")
dns_rcode = pytest.importorskip("dns.rcode")
dns_resolver = pytest.importorskip("dns.resolver")
dns_rrset = pytest.importorskip("dns.rrset")

pytestmark = pytest.mark.usefixtures("loop")


def answer_to(wire, is_datagram):
    """The answer of the name server: host N has the address 10.0.0.N, "long" a long text, and nothing else exists."""
    query = dns_message.from_wire(wire)
    response = dns_message.make_response(query)
    name = query.question[0].name
    label = name.labels[0].decode()
    if label.startswith("host"):
        response.answer.append(dns_rrset.from_text(name, 60, "IN", "A", f"10.0.0.{label.removeprefix('host')}"))
    elif label != "long":
        response.set_rcode(dns_rcode.NXDOMAIN)
    elif is_datagram:
        response.flags |= dns_flags.TC
    else:
        response.answer.append(dns_rrset.from_text(name, 60, "IN", "TXT", " ".join(["x" * 250] * 20)))
    return response.to_wire()


class DatagramServer(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if b"silent" not in data:
            self.transport.sendto(answer_to(data, is_datagram=True), address)


async def answer_stream(reader, writer):
    with contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = answer_to(await reader.readexactly(size), is_datagram=False)
            writer.write(len(answer).to_bytes(2, "big") + answer)
    writer.close()


@contextlib.asynccontextmanager
async def name_server():
    """Serve one port over UDP and TCP; gives the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(DatagramServer, local_addr=("127.0.0.1", port))
    try:
        async with await asyncio.start_server(answer_stream, sock=listening):
            yield port
    finally:
        transport.close()


def resolver(port):
    made = dns_asyncresolver.Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], port
    return made


def test_names_are_resolved_many_at_once(run):
    async def main():
        async with name_server() as port:
            answers = await asyncio.gather(*(resolver(port).resolve(f"host{number}.test.", "A") for number in range(50)))
            assert [answer[0].address for answer in answers] == [f"10.0.0.{number}" for number in range(50)]

    run(main())


def test_unknown_name_is_an_error(run):
    async def main():
        async with name_server() as port:
            with pytest.raises(dns_resolver.NXDOMAIN):
                await resolver(port).resolve("nobody.test.", "A")

    run(main())


def test_answer_that_is_too_long_for_a_datagram_comes_over_tcp(run):
    async def main():
        async with name_server() as port:
            answer = await resolver(port).resolve("long.test.", "TXT")
            assert len(answer[0].strings) == 20
            query = dns_message.make_query("long.test.", "TXT")
            _, was_tcp = await dns_asyncquery.udp_with_fallback(query, "127.0.0.1", port=port, timeout=20)
            assert was_tcp

    run(main())


@pytest.mark.parametrize("by", ["udp", "tcp"])
def test_single_queries(run, by):
    async def main():
        async with name_server() as port:
            query = dns_message.make_query("host7.test.", "A")
            answer = await getattr(dns_asyncquery, by)(query, "127.0.0.1", port=port, timeout=20)
            assert answer.answer[0][0].address == "10.0.0.7"

    run(main())


def test_silent_server_is_given_up_and_its_socket_closed(run):
    async def main():
        async with name_server() as port:
            with pytest.raises(dns_resolver.LifetimeTimeout):
                await resolver(port).resolve("silent.test.", "A", lifetime=0.2)

    run(main())
