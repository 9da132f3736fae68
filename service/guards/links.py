"""Links to single artefacts that open without a key until they expire, or until their key is revoked."""

import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from starlette.types import Scope

from service.guards.key_ring import KeyRing
from service.guards.signing import Signer
from storage.ledger import ApiKey, Database

PATH = re.compile(r"/v1/artefacts/([0-9a-f]{64})", re.ASCII)
EXPIRES = re.compile(r"[0-9]{1,12}", re.ASCII)
KEY_ID = re.compile(r"[0-9a-f]{1,40}", re.ASCII)
SECRET = "links"
SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Link:
    """A link as its query says; it is worth what its signature is."""

    sha256: str
    key_id: str
    expires: int
    signature: str


class LinkSigner:
    """Signs links with a secret that all gateways share: the operator's, or one that the ledger keeps."""

    def __init__(self, db: Database, keys: KeyRing, secret: str | None) -> None:
        self._db, self._keys = db, keys
        self._signer = Signer(db, SECRET, secret)

    def make_path(self, key: ApiKey, sha256: str, expires: int) -> str:
        """The path and query by which an artefact of the key's tenant can be read until `expires`."""
        signature = self._signer.sign(*_list_parts(key, sha256, expires))
        query = {"key": key.id, "expires": expires, SIGNATURE: signature}
        return f"/v1/artefacts/{sha256}?{urlencode(query)}"

    def find_key(self, link: Link) -> ApiKey | None:
        """The key that made a link, reading alone; None where the link is wrong, expired or revoked."""
        if link.expires <= self._db.time.now_ns() / 1e9:
            return None
        key = self._keys.find_by_id(link.key_id)
        if key is None or "read" not in key.scopes:
            return None
        if not self._signer.accepts(link.signature, *_list_parts(key, link.sha256, link.expires)):
            return None
        return replace(key, scopes=frozenset({"read"}))


def read_link(scope: Scope) -> Link | None:
    """The link that a request follows; None for a request that has to carry a key."""
    match = PATH.fullmatch(scope["path"])
    if match is None or scope["method"] not in ("GET", "HEAD") or not scope["query_string"]:
        return None
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    if SIGNATURE not in query:
        return None
    expires, key_id = query.get("expires", ""), query.get("key", "")
    if not (EXPIRES.fullmatch(expires) and KEY_ID.fullmatch(key_id)):
        # one that nobody has made: it has expired
        expires, key_id = "0", ""
    return Link(match.group(1), key_id, int(expires), query[SIGNATURE])


def _list_parts(key: ApiKey, sha256: str, expires: int) -> tuple[str, ...]:
    return (key.tenant, key.id, sha256, str(expires))
