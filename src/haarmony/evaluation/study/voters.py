"""Who votes: a random name with a signature, so that nobody can vote as somebody else or as one not invited.

An identity `NAME.SIGNATURE` is both the content of the voter's cookie and of an invitation link. It is the
same after the browser forgot its cookies and the link is opened again, and after the server was started anew.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Signer:
    """Signs with the secret of a study.

    Attributes:
        secret: known to whoever runs the study alone.
    """

    secret: bytes

    def signed(self, purpose: str, text: str) -> str:
        """The signature of a text for one purpose: HMAC-SHA256, 32 hexadecimal digits."""
        return hmac.new(self.secret, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()[:32]

    def holds(self, purpose: str, text: str, signature: str) -> bool:
        """Whether a signature is that of the text, in a time that tells nothing."""
        return hmac.compare_digest(self.signed(purpose, text).encode(), signature.encode("utf-8", "replace"))

    def identity(self) -> str:
        """A new voter's."""
        voter = secrets.token_hex(8)
        return f"{voter}.{self.signed('voter', voter)}"

    def voter(self, identity: str) -> str | None:
        """The voter that an identity names; None where it was not signed here."""
        voter, _, signature = identity.partition(".")
        return voter if voter and self.holds("voter", voter, signature) else None
