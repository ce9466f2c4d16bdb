"""TLS for a server."""

from __future__ import annotations

import errno
import os
import ssl


def context(certificate: str, key: str = "") -> ssl.SSLContext:
    """TLS with a certificate, and with its key if that is in another file.

    Raises FileNotFoundError with the name of the missing one, and ValueError with the reason why
    the two are of no use.
    """
    for file in filter(None, (certificate, key)):
        if not os.path.isfile(file):
            raise FileNotFoundError(errno.ENOENT, "no such file", file)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(certificate, key or None, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
        if "PEM lib" in reason:  # OpenSSL says no more than that
            reason = "there is no certificate in it, or no key"
        raise ValueError(reason) from error
    return made


def _no_password() -> str:
    """Asked for an encrypted key's password: nobody is there to type it."""
    raise ValueError("its key is encrypted")
