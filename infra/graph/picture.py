"""A picture of a recorded stack that stands alone: SVG with a card for each component, arrows for what it uses.

Pure. Turns a `Graph` into cards (the stack's components with their resources, equal neighbours folded) in columns: what
others use stands left of them. Arrows between cards are data; those that follow from others are left out, and so are
resource groups, which everything is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

from infra.graph.draw import FOLD, Branch, detail, outline, short_type
from infra.graph.model import Graph

_WIDE, _ROW, _HEAD, _GAP_X, _GAP_Y, _EDGE = 330, 17, 30, 90, 22, 28
_ROWS = 16  # of a card, before the rest is counted
_STYLE = """
text { font: 11px ui-sans-serif, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #22303c; }
.title { font-size: 19px; font-weight: 600; } .sub, .figure, .kind { fill: #64788a; } .sub { font-size: 12px; }
.name { font-weight: 600; font-size: 12.5px; } .inner { font-weight: 600; fill: #41566b; }
.card { fill: #fff; stroke: #c3cfda; } .head { fill: #eaf1f7; } .lock { fill: #b3541e; }
.use { fill: none; stroke: #8ba3b8; stroke-width: 1.2; } .back { stroke: #c9d5e0; stroke-dasharray: 4 3; }
.figure { text-anchor: end; }
"""


@dataclass(frozen=True)
class _Row:
    text: str
    kind: str
    figure: str
    inner: bool
    protected: bool
    depth: int


@dataclass(frozen=True)
class _Card:
    key: str
    title: str
    kind: str
    rows: tuple[_Row, ...]
    urns: frozenset[str]
    protected: bool = False

    @property
    def height(self) -> int:
        return _HEAD + _ROW * len(self.rows) + 10


def picture(graph: Graph, fold: int = FOLD) -> str:
    """The stack as SVG text."""
    cards = _cards(outline(graph, fold))
    needs = _needs(graph, cards)
    columns = _columns(cards, needs)
    at: dict[str, tuple[int, int]] = {}
    tallest = 0
    for x, column in enumerate(columns):
        y = 78
        for card in column:
            at[card.key] = (_EDGE + x * (_WIDE + _GAP_X), y)
            y += card.height + _GAP_Y
        tallest = max(tallest, y)
    width = 2 * _EDGE + len(columns) * _WIDE + max(len(columns) - 1, 0) * _GAP_X
    width = max(width, 2 * _EDGE + round(6.2 * len(_subtitle(graph))))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{tallest + 20}" '
        f'viewBox="0 0 {width} {tallest + 20}" role="img" aria-label="{escape(str(graph.stack))}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{tallest + 20}" fill="#f7f9fb"/>',
        f'<text class="title" x="{_EDGE}" y="38">{escape(str(graph.stack))}</text>',
        f'<text class="sub" x="{_EDGE}" y="58">{escape(_subtitle(graph))}</text>',
    ]
    by_key = {c.key: c for c in cards}
    for user, used in sorted((u, o) for u, others in _reduced(needs).items() for o in others):
        parts.append(_arrow(at[used], by_key[used], at[user], by_key[user]))
    parts += [_drawn(card, *at[card.key]) for card in cards]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _subtitle(graph: Graph) -> str:
    components = sum(not n.custom for n in graph)
    reads = f" · reads {', '.join(graph.reads)}" if graph.reads else ""
    legend = "a dot: protected · an arrow points to what uses it, a dashed one back"
    return f"{len(graph.resources)} resources in {components} components{reads} · {legend}"


def _cards(top: tuple[Branch, ...]) -> list[_Card]:
    """A card for each top component; where one holds everything (a shard), for each of its children."""
    if len(top) == 1 and top[0].children:
        top = top[0].children
    cards = []
    for branch in top:
        rows = list(_rows(branch, 0)) if branch.children else []
        title, kind = branch.node.name, short_type(branch.node.type)
        shown = rows if len(rows) <= _ROWS else rows[: _ROWS - 1]
        if len(rows) > _ROWS:
            shown.append(_Row(f"… and {len(rows) - _ROWS + 1} more rows", "", "", False, False, 0))
        if branch.folded:
            each = f" of {branch.folded[0].resources} resources" if branch.folded[0].resources > 1 else ""
            shown.append(_Row(f"and {len(branch.folded)} more like this{each}", "", "", True, False, 0))
        urns = frozenset(_urns(branch))
        cards.append(
            _Card(branch.node.urn, title, kind if kind != "Component" else "", tuple(shown), urns, branch.node.protect)
        )
    return cards


def _rows(branch: Branch, depth: int) -> Iterator[_Row]:
    for child in branch.children:
        node = child.node
        if node.custom:
            yield _Row(node.name, short_type(node.type), detail(node), False, node.protect, depth)
        else:
            yield _Row(node.name, short_type(node.type), "", True, False, depth)
        yield from _rows(child, depth + 1)
        if child.folded:
            word = f"… and {len(child.folded)} more {short_type(node.type)}"
            yield _Row(word, "", "", False, False, depth)


def _urns(branch: Branch) -> Iterator[str]:
    yield branch.node.urn
    for child in (*branch.children, *branch.folded):
        yield from _urns(child)


def _needs(graph: Graph, cards: Iterable[_Card]) -> dict[str, set[str]]:
    """For each card the cards it uses by data."""
    card_of = {urn: card.key for card in cards for urn in card.urns}
    found: dict[str, set[str]] = {card: set() for card in card_of.values()}
    for node in graph.resources:
        mine = card_of.get(node.urn)
        for target in (t for targets in node.data_edges.values() for t in targets):
            other = graph.nodes.get(target)
            theirs = card_of.get(target)
            if mine and theirs and mine != theirs and other and short_type(other.type) != "ResourceGroup":
                found[mine].add(theirs)
    return found


def _columns(cards: list[_Card], needs: Mapping[str, set[str]]) -> list[list[_Card]]:
    """Cards by how many others must stand before them; where cards use each other, the first stands left."""
    depth: dict[str, int] = {}

    def column(key: str, path: frozenset[str]) -> int:
        if key not in depth:
            before = (column(k, path | {key}) for k in sorted(needs[key]) if k not in path)
            depth[key] = 1 + max(before, default=-1)
        return depth[key]

    found: dict[int, list[_Card]] = {}
    for card in cards:
        found.setdefault(column(card.key, frozenset({card.key})), []).append(card)
    return [found[n] for n in sorted(found)]


def _reduced(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The same without arrows that follow from two others."""
    return {
        user: {o for o in others if not any(o in needs[m] for m in others if m != o and user not in needs[m])}
        for user, others in needs.items()
    }


def _arrow(start: tuple[int, int], used: _Card, end: tuple[int, int], user: _Card) -> str:
    y1, y2 = start[1] + min(used.height // 2, 60), end[1] + _HEAD // 2
    if end[0] > start[0]:
        x1, x2, way, kind = start[0] + _WIDE, end[0], 1, "use"
    else:  # cards that use each other: one of the arrows must go back
        x1, x2, way, kind = start[0], end[0] + _WIDE, -1, "use back"
    bend = way * max(40, abs(x2 - x1) // 2)
    head = f"M{x2 - way * 6},{y2 - 4} L{x2},{y2} L{x2 - way * 6},{y2 + 4}"
    return f'<path class="{kind}" d="M{x1},{y1} C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2} {head}"/>'


def _drawn(card: _Card, x: int, y: int) -> str:
    lines = [
        f'<rect class="card" x="{x}" y="{y}" width="{_WIDE}" height="{card.height}" rx="7"/>',
        f'<path class="head" d="M{x + 1},{y + _HEAD - 6} v-17 q0,-6 6,-6 h{_WIDE - 14} q6,0 6,6 v17 z"/>',
        f'<text class="name" x="{x + 12}" y="{y + 17}">{escape(_cut(card.title, 34))}</text>',
        f'<text class="figure" x="{x + _WIDE - 12}" y="{y + 17}">{escape(card.kind)}</text>',
    ]
    if card.protected:
        lines.append(f'<circle class="lock" cx="{x + 7}" cy="{y + 13}" r="2.4"/>')
    for n, row in enumerate(card.rows):
        base = y + _HEAD + 12 + n * _ROW
        left = x + 16 + row.depth * 12
        if row.protected:
            lines.append(f'<circle class="lock" cx="{left - 6}" cy="{base - 4}" r="2.4"/>')
        room = 46 - row.depth * 2 - len(row.figure)
        label = row.text if not row.kind or row.inner else f"{row.kind} {row.text}"
        style = ' class="inner"' if row.inner else ""
        lines.append(f'<text{style} x="{left}" y="{base}">{escape(_cut(label, room))}</text>')
        figure = row.kind if row.inner else row.figure
        lines.append(f'<text class="figure" x="{x + _WIDE - 12}" y="{base}">{escape(_cut(figure, 24))}</text>')
    return "\n".join(lines)


def _cut(text: str, width: int) -> str:
    """The middle goes: names differ at both ends."""
    if len(text) <= width:
        return text
    head = max((width - 1) // 2, 1)
    return text[:head] + "…" + text[len(text) - max(width - 1 - head, 0) :]
