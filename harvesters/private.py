"""Which hosts lie on this machine or on a private network, told by name or address."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache

ALLOW = "allow_private=yes"
_OWN_NAMES = ("localhost", "localdomain", "internal", "local")  # the last label of names that never are public
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def allows_private(quirks: Mapping[str, str]) -> bool:
    """Whether a source's row allows such hosts."""
    return quirks.get("allow_private", "").lower() in ("yes", "true", "1")


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Whether a host is none of the open internet.  A name is judged by itself alone, without resolving it."""
    host = host.strip("[]").rstrip(".").lower()
    address = _address(host)
    if address is None:
        return host.rpartition(".")[2] in _OWN_NAMES
    return not address.is_global or address.is_multicast


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as, with what IPv6 forms carry of IPv4 taken out; None of a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return _odd_number(host)
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _odd_number(host: str) -> ipaddress.IPv4Address | None:
    """IPv4 as the C library also takes it: 127.1, 0x7f000001, 2130706433 (inet_aton)."""
    try:
        parts = [int(part, 0 if part[:2] == "0x" else 8 if part[:1] == "0" else 10) for part in host.split(".")]
    except ValueError:
        return None
    *front, last = parts
    if len(front) > 3 or any(not 0 <= part < 256 for part in front) or not 0 <= last < 256 ** (4 - len(front)):
        return None
    value = sum(part << (24 - 8 * place) for place, part in enumerate(front))
    return ipaddress.IPv4Address(value | last)
