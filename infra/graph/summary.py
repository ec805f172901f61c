"""A stack on one page: what a reviewer reads in a minute, kept as golden files beside the tests.

Pure. Turns a recorded stack into short Markdown: counts by type and place, what is protected, where secrets are, what
it reads from other stacks and gives to them, write lanes, and each hub's figures. Equal for equal inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from infra.graph.draw import detail, short_type
from infra.graph.model import Graph, Node

_NAMES = 3  # examples of names of a type
_LISTED = 6  # protected things of a type, before the rest is counted


def summary(graph: Graph) -> str:
    """The stack's page."""
    parts = [
        _head(graph),
        _types(graph),
        _figures(graph),
        _list("Protected: deleting or replacing one is refused", _by_type(n for n in graph.resources if n.protect)),
        _list("Secrets", _secrets(graph)),
        _list("Reads from other stacks", _reads(graph)),
        _list("Gives to other stacks", _outputs(graph)),
        _list("Order of writes", _lanes(graph)),
    ]
    return "\n".join(p for p in parts if p).rstrip() + "\n"


def _head(graph: Graph) -> str:
    components = Counter(short_type(n.type) for n in graph if not n.custom)
    ordered = sorted(components.items(), key=lambda item: (-item[1], item[0]))  # not as registered: that may vary
    made_of = ", ".join(f"{count} {name}" for name, count in ordered)
    return f"# {graph.stack}\n\n{len(graph.resources)} resources, {sum(components.values())} components ({made_of}).\n"


def _types(graph: Graph) -> str:
    lines = ["| Resources | | Where | Named |", "| ---: | --- | --- | --- |"]
    by_type: dict[str, list[Node]] = {}
    for node in graph.resources:
        by_type.setdefault(node.type, []).append(node)
    for token, nodes in sorted(by_type.items(), key=lambda item: (-len(item[1]), item[0])):
        places = Counter(str(n.inputs["location"]) for n in nodes if n.inputs.get("location"))
        where = ", ".join(f"{p} {c}" if len(places) > 1 else p for p, c in sorted(places.items()))
        names = sorted(n.name for n in nodes)
        more = f" … {names[-1]}" if len(names) > _NAMES else ""
        shown = ", ".join(names[: _NAMES - 1 if more else _NAMES]) + more
        lines.append(f"| {len(nodes)} | {token.removeprefix('azure-native:')} | {where} | {shown} |")
    return "\n".join(lines) + "\n"


def _figures(graph: Graph) -> str:
    """What the hubs of this stack are sized for; in a shard, what its sites add to each gateway."""
    wanted = ("VirtualHub", "VpnGateway", "ExpressRouteGateway", "AzureFirewall", "ExpressRouteCircuit", "AgentPool")
    lines = [
        f"{n.name}: {detail(n)}" for n in graph.resources if short_type(n.type) in (*wanted, "Server") and detail(n)
    ]
    connections = [n for n in graph.resources if short_type(n.type) == "VpnConnection"]
    for gateway, nodes in sorted(_by_input(connections, "gatewayName").items()):
        links = sum(len(v) for n in nodes if isinstance(v := n.inputs.get("vpnLinkConnections"), list))
        lines.append(f"{gateway}: {len(nodes)} connections, {links} link connections from here")
    sites = [n for n in graph.resources if short_type(n.type) == "VpnSite"]
    if sites:
        sizes = Counter(len(v) for n in sites if isinstance(v := n.inputs.get("vpnSiteLinks"), list))
        preferred = Counter(_tag(n, "hub") for n in sites)
        lines.append("sites with " + ", ".join(f"{k} link{'s' * (k > 1)}: {c}" for k, c in sorted(sizes.items())))
        lines.append("preferred hub: " + ", ".join(f"{hub} {c}" for hub, c in sorted(preferred.items())))
    lines += _machines(graph)
    active = graph.outputs.get("active_hubs")
    if isinstance(active, str):
        lines.append(f"active hubs: {active.replace(',', ', ')}")
    return _list("Figures", sorted(lines) if not sites else lines)


def _machines(graph: Graph) -> Iterator[str]:
    """What a hub's machines need of its cluster, all together."""
    machines = [n for n in graph.resources if short_type(n.type) == "VirtualMachineInstance"]
    if machines:
        cores = sum(_number(n, "hardwareProfile", "processors") for n in machines)
        memory = sum(_number(n, "hardwareProfile", "memoryMB") for n in machines) / 1024
        disks = sum(_number(n, "", "diskSizeGB") for n in graph.resources if short_type(n.type) == "VirtualHardDisk")
        needs = f"{cores:,.0f} virtual CPUs, {memory:,.0f} GiB of memory, {disks:,.0f} GB of disk"
        yield f"machines: {len(machines)} with {needs}"


def _number(node: Node, holder: str, key: str) -> float:
    inside = node.inputs.get(holder) if holder else dict(node.inputs)
    value = inside.get(key) if isinstance(inside, dict) else None
    return float(value) if isinstance(value, (int, float)) else 0.0


def _tag(node: Node, key: str) -> str:
    tags = node.inputs.get("tags")
    return str(tags.get(key, "?")) if isinstance(tags, dict) else "?"


def _by_input(nodes: Iterable[Node], key: str) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        found.setdefault(str(node.inputs.get(key)), []).append(node)
    return found


def _by_type(nodes: Iterable[Node]) -> list[str]:
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(short_type(node.type), []).append(node.name)
    return [f"{kind}: {_shown(sorted(names))}" for kind, names in sorted(found.items())]


def _shown(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _secrets(graph: Graph) -> Iterator[str]:
    found: Counter[tuple[str, str]] = Counter()
    for node in graph.resources:
        for path in node.secrets:
            plain = "".join("[]" if c == "[" else "" if c in "]0123456789" else c for c in path)
            found[short_type(node.type), plain] += 1
    for (kind, path), count in sorted(found.items()):
        yield f"{kind}.{path}: {count}"
    if graph.secret_outputs:
        yield f"outputs: {', '.join(sorted(graph.secret_outputs))}"


def _reads(graph: Graph) -> list[str]:
    return sorted(graph.reads)


def _outputs(graph: Graph) -> list[str]:
    names = sorted(n for n in graph.outputs if n != "version")
    version = graph.outputs.get("version")
    return [f"version {version}: {', '.join(names)}"] if names else []


def _lanes(graph: Graph) -> Iterator[str]:
    """Explicit order: how many resources of a type wait for another, and the longest row that results."""
    waiting = [n for n in graph.resources if n.depends_on]
    depth: dict[str, int] = {}

    def length(node: Node) -> int:
        if node.urn not in depth:
            before = (graph.nodes[u] for u in node.depends_on if u in graph.nodes)
            depth[node.urn] = 1 + max((length(b) for b in before if b.type == node.type), default=0)
        return depth[node.urn]

    for kind, nodes in sorted(_group(waiting).items()):
        longest = max(length(n) for n in nodes)
        row = f", longest row of its own kind {longest}" if longest > 1 else ""
        yield f"{kind}: {len(nodes)} wait{row}"


def _group(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in nodes:
        found.setdefault(short_type(node.type), []).append(node)
    return found


def _list(title: str, lines: Iterable[str]) -> str:
    rows = [f"- {line}" for line in lines]
    return "\n".join([f"**{title}**", "", *rows, ""]) if rows else ""
