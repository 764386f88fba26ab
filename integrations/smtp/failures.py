"""What an SMTP server's answer means for whoever wanted to send: by code, never by text.

The first digit says it (RFC 5321, 4.2.1): 4 is "not now", 5 is "not like this". Until the mail's text has been
handed over, nothing can have been sent, whatever breaks. After it, silence says nothing.
"""

from __future__ import annotations

import ssl

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from flows.errors import ActionError

_HINTS = {
    530: "the server wants a login (SMTP_USER, SMTP_PASSWORD), or TLS first (SMTP_TLS)",
    534: "the server wants another way to log in; many mailboxes need an app password",
    535: "SMTP_USER or SMTP_PASSWORD is wrong; many mailboxes need an app password",
    550: "the server does not take mail for this recipient, or from this sender",
    552: "the mail is larger than the server takes",
    553: "the server does not let this login send as SMTP_SENDER",
}


def failure(error: Exception) -> ActionError:
    """The error that something amounts to which went wrong before the mail was handed over: nothing was sent."""
    if isinstance(error, SMTPConnectResponseError):
        return ActionError(f"SMTP: the server answered {error.code} and takes no mail now.", retryable=error.code < 500)
    if _distrusted(error):
        return ActionError("SMTP: the server's certificate is not to be trusted; look at SMTP_HOST and SMTP_TLS.")
    if isinstance(error, SMTPConnectError):
        return ActionError("SMTP: the mail server cannot be reached.", retryable=True)
    if isinstance(error, SMTPResponseException):
        return _answered(error)
    if isinstance(error, OSError):
        return ActionError("SMTP: the connection broke before the mail was handed over.", retryable=True)
    # The library's own words, not the server's: an extension that the server does not have.
    what = error.message if isinstance(error, SMTPException) else type(error).__name__
    return ActionError(f"SMTP: the server cannot do what is asked of it ({what}); look at SMTP_TLS and SMTP_USER.")


def lost(error: Exception) -> ActionError:
    """The connection broke, or stayed silent, when the mail had been handed over: nobody knows whether it was taken."""
    silent = "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"
    return ActionError(f"SMTP: {silent} after the mail was handed over.", uncertain=True)


def _answered(error: SMTPResponseException) -> ActionError:
    hint = _HINTS.get(error.code)
    what = f"SMTP: the server answered {error.code}"
    if isinstance(error, SMTPRecipientRefused):
        what += f" to the recipient {error.recipient}"
    elif isinstance(error, SMTPAuthenticationError):
        what += " to the login"
    retryable = 400 <= error.code < 500
    return ActionError(f"{what}: {hint}." if hint else f"{what}.", retryable=retryable)


def _distrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__
    return False
