"""Which addresses may be connected to: public unicast ones, also where IPv4 is wrapped in IPv6."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from media.errors import MediaError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, the well-known prefix
TEREDO = ipaddress.IPv6Network("2001::/32")  # RFC 4380: leads to an address inside of another network
RELAY_ANYCAST = ipaddress.IPv4Network("192.88.99.0/24")  # RFC 7526, deprecated
LOCAL_NAMES = (".localhost", ".local", ".internal")


def is_public(address: IpAddress) -> bool:
    """Whether an address is global unicast, after IPv4 was unwrapped from IPv6 (mapped, 6to4, NAT64)."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return is_public(embedded)
        return address in GLOBAL_UNICAST and address not in TEREDO and address.is_global
    return address.is_global and not address.is_multicast and address not in RELAY_ANYCAST


def require_public(host: str, addresses: list[IpAddress]) -> None:
    """Raise MediaError `url_not_allowed` when one of a host's addresses is not public."""
    if not all(is_public(address) for address in addresses):
        raise MediaError(
            "url_not_allowed",
            f"{host} is not a public address; upload the file with POST /v1/uploads instead",
        )


def check_url(url: str) -> SplitResult:
    """The parts of an https address; refuses what can be refused without a DNS lookup.

    Raises MediaError `url_not_allowed` for other schemes, malformed addresses, user info and private hosts.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise MediaError("url_not_allowed", f"this is not an address: {error}") from error
    if parts.scheme != "https" or not host:
        raise MediaError("url_not_allowed", "only https addresses are fetched; or upload the file instead")
    if parts.username or parts.password:
        raise MediaError("url_not_allowed", "an address with a user or password in it is not fetched")
    try:
        addresses = [ipaddress.ip_address(host)]
    except ValueError:
        local = host == "localhost" or host.endswith(LOCAL_NAMES)
        addresses = [ipaddress.IPv4Address("127.0.0.1")] if local else []
    require_public(host, addresses)
    return parts
