# /// script
# dependencies = ["asyncssh"]
# ///
"""a server that runs a command for a client"""

import asyncssh
from checks import check_loop

import fastloop


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False


async def answer(process):
    process.stdout.write(f"you asked for {process.command}")
    process.exit(0)


async def main():
    check_loop()
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key], process_factory=answer) as server:
        async with asyncssh.connect("127.0.0.1", server.get_port(), known_hosts=None, username="somebody", config=None) as connection:
            assert (await connection.run("tea")).stdout == "you asked for tea"


fastloop.run(main())
