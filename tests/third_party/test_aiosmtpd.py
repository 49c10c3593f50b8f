"""aiosmtpd: a mail server whose loop runs in its own thread, and smtplib's clients in other threads.

Its Controller makes a loop in one thread, runs it in a second one and stops it from the first, at any moment: before the first
connection has its protocol, and while clients are connected. It closes its server between two runs of the loop.
"""

import asyncio
import concurrent.futures
import functools
import gc
import random
import smtplib
import socket
import ssl
import threading
import warnings

import pytest

aiosmtpd_controller = pytest.importorskip("aiosmtpd.controller", reason="aiosmtpd is not installed (pip install aiosmtpd)")

SENDER, RECIPIENTS = "ann@example.org", ["bob@example.org", "cid@example.org"]
# Far longer than anything here takes.
TIME_LIMIT_S = 60


class Mailbox:
    """A handler that keeps what it gets: sender, recipients and content."""

    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 kept"


class TcpController(aiosmtpd_controller.Controller):
    """A controller on a port that the system chooses."""

    def __init__(self, handler, **arguments):
        self.listening = socket.create_server(("127.0.0.1", 0))
        super().__init__(handler, hostname="127.0.0.1", port=self.listening.getsockname()[1], ready_timeout=TIME_LIMIT_S, **arguments)

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, sock=self.listening, ssl=self.ssl_context)


@pytest.fixture
def new_controller(new_loop):
    """A function that makes a controller with a loop under test; one that still runs at the end is stopped."""
    controllers = []

    def make(handler, kind=TcpController, **arguments):
        controllers.append(kind(handler, loop=new_loop(), **arguments))
        return controllers[-1]

    yield make
    for controller in controllers:
        if controller._thread is not None:
            controller.stop()


def text_of(number, size):
    """A message of about size bytes in lines, some of which begin with a dot, which SMTP doubles."""
    random_bytes = random.Random(number).randbytes(size // 2).hex()
    lines = [f"number: {number}", ""] + ["." * (start % 3) + random_bytes[start : start + 64] for start in range(0, len(random_bytes), 64)]
    return ("\r\n".join(lines) + "\r\n").encode()


def client_of(controller):
    return smtplib.SMTP(controller.hostname, controller.port, timeout=TIME_LIMIT_S)


class UnixClient(smtplib.SMTP):
    """smtplib's client through a Unix socket: its path is passed instead of the host."""

    def _get_socket(self, host, port, timeout):
        connected = socket.socket(socket.AF_UNIX)
        connected.settimeout(timeout)
        try:
            connected.connect(host)
        except OSError:
            connected.close()
            raise
        return connected


def send(client, *messages):
    for message in messages:
        assert client.sendmail(SENDER, RECIPIENTS, message) == {}


@pytest.mark.parametrize("is_unix_socket", [False, True], ids=["TCP", "Unix socket"])
def test_controller_starts_serves_a_message_and_stops(new_controller, tmp_path, is_unix_socket):
    mailbox, message = Mailbox(), text_of(1, 100_000)
    if is_unix_socket:
        path = str(tmp_path / "socket")
        controller = new_controller(mailbox, aiosmtpd_controller.UnixSocketController, unix_socket=path, ready_timeout=TIME_LIMIT_S)
        connect = functools.partial(UnixClient, path, 25, local_hostname="localhost", timeout=TIME_LIMIT_S)
    else:
        controller = new_controller(mailbox)
        connect = functools.partial(client_of, controller)

    controller.start()
    with connect() as client:
        send(client, message)
    controller.stop()

    assert mailbox.messages == [(SENDER, RECIPIENTS, message)]
    assert controller.loop.is_closed()
    with pytest.raises(OSError):
        connect()


def test_messages_of_many_clients_at_once_arrive_byte_for_byte(new_controller):
    mailbox = Mailbox()
    controller = new_controller(mailbox)
    messages = [text_of(number, number * 200) for number in range(1, 61)]

    def send_some(start):
        with client_of(controller) as client:
            send(client, *messages[start::12])

    controller.start()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(send_some, range(12)))
    controller.stop()

    assert sorted(content for _, _, content in mailbox.messages) == sorted(messages)


def test_controller_that_is_too_slow_to_answer_is_given_up_and_stops(new_controller):
    is_given_up = threading.Event()

    class SlowController(TcpController):
        def factory(self):
            is_given_up.wait(TIME_LIMIT_S)
            return super().factory()

        def _trigger_server(self):
            # Leaves while the loop is still busy with the protocol of its connection.
            with socket.create_connection((self.hostname, self.port)):
                pass

    controller = new_controller(Mailbox(), SlowController)
    controller.ready_timeout = 0.01
    with pytest.raises(TimeoutError):
        controller.start()
    controller.loop.call_soon_threadsafe(controller.cancel_tasks)
    is_given_up.set()
    controller._thread.join(TIME_LIMIT_S)

    assert not controller._thread.is_alive()
    controller._thread = None
    # Before Python 3.12 the loop does not wait for the connection, and is closed: the collector closes what is left, and says so.
    controller._cleanup()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_message_goes_over_tls_after_starttls(new_controller, certificate):
    mailbox, message = Mailbox(), text_of(1, 300_000)
    controller = new_controller(mailbox, tls_context=certificate.server_context(), require_starttls=True)

    controller.start()
    with client_of(controller) as client:
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail(SENDER, RECIPIENTS, message)
        client._host = "localhost"
        assert client.starttls(context=certificate.client_context())[0] == 220
        assert isinstance(client.sock, ssl.SSLSocket)
        send(client, message)
    controller.stop()

    assert mailbox.messages == [(SENDER, RECIPIENTS, message)]


async def test_messages_are_served_on_a_loop_that_runs_anyway(loop):
    mailbox, messages = Mailbox(), [text_of(number, 2000) for number in range(20)]
    smtp = functools.partial(aiosmtpd_controller.SMTP, mailbox, loop=loop)
    async with await loop.create_server(smtp, "127.0.0.1", 0) as server:
        address = server.sockets[0].getsockname()

        def send_all():
            with smtplib.SMTP(*address, timeout=TIME_LIMIT_S) as client:
                send(client, *messages)

        await asyncio.gather(*[asyncio.to_thread(send_all) for _ in range(3)])
    assert sorted(content for _, _, content in mailbox.messages) == sorted(messages * 3)
