# /// script
# dependencies = ["grpcio"]
# ///
"""a server and a client of grpc.aio"""

import grpc
from checks import check_loop

import fastloop


async def echo(request, context):
    check_loop()
    return request


async def main():
    check_loop()
    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary("/example/Echo")(b"hello") == b"hello"
    await server.stop(None)


fastloop.run(main())
