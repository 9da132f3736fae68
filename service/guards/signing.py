"""Signatures by a secret that all gateways share: the operator's, or one that the ledger keeps."""

import hashlib
import hmac

from storage.ledger import Database, server_secrets


class Signer:
    """Signs texts for one purpose, by which the ledger names the secret."""

    def __init__(self, db: Database, purpose: str, secret: str | None = None) -> None:
        self._db, self._purpose = db, purpose
        self._secret = secret.encode() if secret else None

    def sign(self, *parts: str) -> str:
        """The signature of some texts, in hexadecimal; none of them may contain a line break."""
        if self._secret is None:
            self._secret = server_secrets.get_or_create(self._db, self._purpose)
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()

    def accepts(self, signature: str, *parts: str) -> bool:
        """Whether a signature is that of these texts; takes the same time for every wrong one."""
        return hmac.compare_digest(self.sign(*parts).encode(), signature.encode())
