"""Handing mails to the mail server, knowing for each whether it was taken."""

import smtplib
from enum import Enum
from typing import Any, Self

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

MAILS_PER_CONNECTION = 50
SERVICE_CLOSES = 421  # RFC 5321 section 3.8


class Outcome(Enum):
    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class ServerAway(Exception):
    """The mail server cannot be reached, or takes nobody."""


class Courier:
    """One connection to the mail server, opened when first needed and again when it broke."""

    def __init__(self) -> None:
        self._connection: BaseEmailBackend | None = None
        self._used = 0
        self._has_sent_text = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def hand_over(self, message: EmailMessage) -> Outcome:
        """Hand the mail over; raise ServerAway where there is nobody to hand it to.

        Once the text is under way, only an answer tells whether it was taken (RFC 5321 section 6.1).
        """
        connection = self._open()
        self._has_sent_text = not self._is_smtp()
        try:
            connection.send_messages([message])
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as refusal:
            if getattr(refusal, "smtp_code", 0) == SERVICE_CLOSES:
                self._close()
            return Outcome.REFUSED
        except OSError:  # smtplib's other errors are OSErrors too
            self._close()
            return Outcome.UNKNOWN if self._has_sent_text else Outcome.REFUSED
        self._used += 1
        if self._used >= MAILS_PER_CONNECTION or not self._is_smtp():
            self._close()
        return Outcome.TAKEN

    def _open(self) -> BaseEmailBackend:
        if self._connection is None:
            connection = get_connection()
            try:
                connection.open()
            except OSError as error:
                raise ServerAway(type(error).__name__) from error
            self._connection, self._used = connection, 0
            self._watch(getattr(connection, "connection", None))
        return self._connection

    def _watch(self, smtp: Any) -> None:
        """Notice when the text of a mail begins to go out."""
        if not isinstance(smtp, smtplib.SMTP):
            return
        send_text = smtp.data

        def watched(text: Any) -> tuple[int, bytes]:
            self._has_sent_text = True
            return send_text(text)

        smtp.data = watched  # type: ignore[method-assign, assignment]

    def _is_smtp(self) -> bool:
        return isinstance(getattr(self._connection, "connection", None), smtplib.SMTP)

    def _close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except OSError:
                return  # it was gone already
