"""Logins of browsers: a signed cookie stands for an API key until it expires, or until the key ends."""

import re
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import Scope

from service.guards.key_ring import KeyRing
from service.guards.signing import Signer
from service.problems import ServiceProblem
from storage.ledger import ApiKey, Database

COOKIE = "maquette_login"
PURPOSE = "logins"
# a page of another site cannot send it: browsers ask first, and the gateway never allows it
PAGE_HEADER = "x-maquette-page"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
VALUE = re.compile(r"([0-9a-f]{1,40})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Login:
    """A key that a browser uses, and when it has to log in again, in seconds since the epoch."""

    key: ApiKey
    expires: int


class LoginSigner:
    """Makes the values of login cookies, and reads them."""

    def __init__(self, db: Database, keys: KeyRing, seconds: float) -> None:
        self._db, self._keys, self._seconds = db, keys, seconds
        self._signer = Signer(db, PURPOSE)

    def make(self, key: ApiKey) -> tuple[str, Login]:
        """The value of a cookie for a key, and what it says: it ends no later than the key."""
        seconds = self._seconds
        if key.remaining_seconds is not None:
            seconds = min(seconds, key.remaining_seconds)
        login = Login(key, int(self._db.time.now_ns() / 1e9 + seconds))
        signature = self._signer.sign(key.tenant, key.id, str(login.expires))
        return f"{key.id}.{login.expires}.{signature}", login

    def find(self, value: str) -> Login | None:
        """What a cookie says; None where it is wrong or expired, or its key was revoked."""
        match = VALUE.fullmatch(value)
        if match is None or int(match.group(2)) <= self._db.time.now_ns() / 1e9:
            return None
        key_id, expires, signature = match.groups()
        key = self._keys.find_by_id(key_id)
        if key is None or not self._signer.accepts(signature, key.tenant, key.id, expires):
            return None
        return Login(key, int(expires))


def read_cookie(headers: Headers) -> str | None:
    """The value of the login cookie of a request."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None


def check_page(scope: Scope) -> None:
    """Raise ServiceProblem `cross_site` unless a request that changes something was sent by our own page."""
    headers = Headers(scope=scope)
    is_own = headers.get("sec-fetch-site", "same-origin") == "same-origin" and PAGE_HEADER in headers
    if scope["method"] not in SAFE_METHODS and not is_own:
        detail = "a login changes things only from the gateway's own page: send an API key instead"
        raise ServiceProblem("cross_site", 403, detail)
