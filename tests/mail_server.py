"""A real mail server on loopback: it keeps what it takes, refuses whom it is told to, and can hang before it answers."""

import contextlib
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller

from tests.live import free_port


class Postbox:
    """What aiosmtpd asks at each step."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.bouncing: set[str] = set()
        self.hangs = False
        self.has_text = threading.Event()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.bouncing:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        self.has_text.set()
        if self.hangs:
            await server.loop.create_future()  # the answer never comes
        return "250 OK"

    @property
    def people(self) -> list[str]:
        return sorted(str(mail["To"]) for mail in self.taken)


@contextlib.contextmanager
def running_mail_server(postbox: Postbox, port: int = 0) -> Iterator[int]:
    controller = Controller(postbox, hostname="127.0.0.1", port=port or free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
