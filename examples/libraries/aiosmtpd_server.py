# /// script
# dependencies = ["aiosmtpd"]
# ///
"""a mail server in a thread with a loop of its own"""

import smtplib

from aiosmtpd.controller import Controller
from checks import check_loop, free_port

import fastloop

messages = []


class Handler:
    async def handle_DATA(self, server, session, envelope):
        check_loop()
        messages.append(envelope.content)
        return "250 OK"


controller = Controller(Handler(), hostname="127.0.0.1", port=free_port(), loop=fastloop.new_event_loop())
controller.start()
with smtplib.SMTP("127.0.0.1", controller.port) as client:
    client.sendmail("a@example.org", ["b@example.org"], "Subject: hello\r\n\r\nhello")
controller.stop()
assert b"hello" in messages[0]
