# /// script
# dependencies = ["granian"]
# ///
"""granian's own server, whose workers look their loop up by name"""

import asyncio
import sys

from checks import check_server, free_port, process
from granian import Granian, loops

import fastloop


# Each worker imports this file again, so it registers the loop, too.
@loops.register("asyncio")
def make_loop():
    loop = fastloop.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


if __name__ == "__main__":
    if len(sys.argv) == 2:
        Granian("checks:application", port=int(sys.argv[1]), interface="asgi", loop="asyncio").serve()
    else:
        port = free_port()
        with process(__file__, str(port)):
            check_server(port)
