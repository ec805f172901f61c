"""Addresses as networks: what a source or a destination really covers, however it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range

from infra.graph.model import UNKNOWN

Network = IPv4Network | IPv6Network
# RFC 1918, RFC 6598 (the cluster's pods) and RFC 4193: addresses that the Internet does not route
PRIVATE: tuple[Network, ...] = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
EVERYWHERE = frozenset({"*", "any", "internet", "azurecloud"})
WIDE = 2**24  # a whole /8 or more, in one piece or in several; of IPv6 as many /64


def parse(text: object) -> Network | None:
    """A range or a single address; None for anything else, a service tag for instance."""
    if not isinstance(text, str) or not re.fullmatch(r"[0-9A-Fa-f.:]+(/[0-9]{1,3})?", text, re.ASCII):
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def is_private(network: Network) -> bool:
    """All of it lies in one private range."""
    return any(network.network_address in range_ and network.broadcast_address in range_ for range_ in PRIVATE)


def is_wide(values: Iterable[object]) -> bool:
    """Together they mean everybody, or as many addresses as a /8. Values that are not known yet count for nothing."""
    covered = 0
    for value in values:
        if value == UNKNOWN:
            continue
        if not isinstance(value, str):
            return True
        word = value.strip().casefold()
        if word.partition(".")[0] in EVERYWHERE:  # AzureCloud.spaincentral is anybody's machine as well
            return True
        covered += sum(n.num_addresses >> (64 if n.version == 6 else 0) for n in _pieces(word))
    return covered >= WIDE


def _pieces(word: str) -> Iterator[Network]:
    """`10.0.0.1-10.0.0.9` as networks; nothing for names."""
    first, dash, last = word.partition("-")
    found = parse(word)
    if found:
        yield found
    elif dash:
        try:
            yield from summarize_address_range(ip_address(first.strip()), ip_address(last.strip()))
        except (ValueError, TypeError):
            return
