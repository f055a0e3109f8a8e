"""A real SMTP server on loopback that keeps what it is sent."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message as Mail
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MailHandler


class Mailbox(MailHandler):
    """The mails that the server received. `connection` leads to it, as JSON for `AIRFLOW_CONN_...`."""

    def __init__(self, connection: str) -> None:
        super().__init__()
        self.connection = connection
        self.mails: list[Mail] = []

    def handle_message(self, message: Any) -> None:
        self.mails.append(message_from_bytes(message.as_bytes()))

    @property
    def subjects(self) -> list[str]:
        return [" ".join(str(mail["Subject"]).split()) for mail in self.mails]  # long ones come folded

    def texts(self, subject: str) -> list[str]:
        """The decoded text of each mail whose subject holds this."""
        return [
            "".join(
                part.get_payload(decode=True).decode()  # type: ignore[union-attr]
                for part in mail.walk()
                if part.get_content_maintype() == "text"
            )
            for mail, its in zip(self.mails, self.subjects, strict=True)
            if subject in its
        ]


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    extra = {"from_email": "almanac@port.example", "disable_ssl": True, "disable_tls": True}
    box = Mailbox(json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}))
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box
    finally:
        server.stop()
