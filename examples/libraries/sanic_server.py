# /// script
# dependencies = ["sanic"]
# ///
"""an application whose server runs on the policy's loop"""

import sys

from checks import check_server, free_port, name_of_the_loop, process
from sanic import Sanic
from sanic.response import text

import fastloop

app = Sanic("example")
app.config.USE_UVLOOP = False


@app.get("/")
async def answer(request):
    return text(name_of_the_loop())


if __name__ == "__main__":
    if len(sys.argv) == 2:
        fastloop.install()
        app.run(host="127.0.0.1", port=int(sys.argv[1]), single_process=True, access_log=False)
    else:
        port = free_port()
        with process(__file__, str(port)):
            check_server(port)
