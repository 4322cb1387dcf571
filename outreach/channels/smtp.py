"""An SMTP connection that remembers how far a message went: before DATA nothing was taken, after it nobody knows."""

import smtplib
from typing import Any

from django.core.mail.backends.smtp import EmailBackend


class _StagedMixin:
    has_begun_data = False

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.has_begun_data = True
        return super().data(msg)  # type: ignore[misc,no-any-return]


class _StagedSMTP(_StagedMixin, smtplib.SMTP):
    pass


class _StagedSMTPSSL(_StagedMixin, smtplib.SMTP_SSL):
    pass


class StagedBackend(EmailBackend):
    """Django's SMTP backend; ``has_begun_data`` speaks of the message being sent."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _StagedSMTPSSL if self.use_ssl else _StagedSMTP

    @property
    def has_begun_data(self) -> bool:
        return bool(getattr(self.connection, "has_begun_data", False))

    def begin(self) -> bool:
        """Open unless it is; whether it was open. Raises what smtplib and the network raise."""
        was_open = not self.open()
        if isinstance(self.connection, _StagedMixin):
            self.connection.has_begun_data = False
        return was_open

    def abandon(self) -> None:
        """Drop the connection without a word: it is in a state that nobody knows."""
        if self.connection is not None:
            smtplib.SMTP.close(self.connection)
            self.connection = None
