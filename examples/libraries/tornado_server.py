# /// script
# dependencies = ["tornado"]
# ///
"""a server and its own HTTP client"""

from checks import check_loop, name_of_the_loop
from tornado.httpclient import AsyncHTTPClient
from tornado.web import Application, RequestHandler

import fastloop


class Answer(RequestHandler):
    async def get(self):
        self.write(name_of_the_loop())


async def main():
    check_loop()
    server = Application([("/", Answer)]).listen(0, "127.0.0.1")
    (listening,) = server._sockets.values()
    response = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    assert response.body == b"fastloop"
    server.stop()
    await server.close_all_connections()


fastloop.run(main())
