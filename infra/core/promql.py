"""Which metrics a PromQL expression reads: enough of its grammar to list the names, no evaluation.

Turns an expression into metric names, so that tests and manifests can hold lists of series complete. It relies on the
expression being valid (promtool checks that), and refuses nothing.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_STRINGS = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'|`[^`]*`")
_LABEL_LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", re.IGNORECASE)
_MATCHERS = re.compile(r"\{[^}]*\}")
_RANGES = re.compile(r"\[[^\]]*\]")
_NUMBERS = re.compile(r"(?<![\w:])\d[\w.]*(?:[eE][+-]\d+)?")
_KEYWORDS = frozenset(
    {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf",
     "nan", "atan2", "start", "end"}
)  # fmt: skip


def metrics(expression: str) -> frozenset[str]:
    """The metric names that an expression reads.

    Args:
        expression: valid PromQL; Grafana's variables (`$site`, `$__rate_interval`) may stand in strings and ranges.
    """
    bare = re.sub(r"#[^\n]*", " ", _STRINGS.sub('""', expression))
    for pattern in (_MATCHERS, _RANGES, _LABEL_LISTS, _NUMBERS):
        bare = pattern.sub(" ", bare)
    found = set()
    for match in _NAME.finditer(bare):
        called = bare[match.end() :].lstrip().startswith("(")
        if not called and match[0].lower() not in _KEYWORDS:
            found.add(match[0])
    return frozenset(found)


def ranged(expression: str, name: str) -> bool:
    """Whether the expression reads a range of that metric: `name[5m]` or `name{...}[5m]`."""
    bare = _STRINGS.sub('""', expression)
    return re.search(rf"(?<![\w:]){re.escape(name)}\s*(?:\{{[^}}]*\}})?\s*\[", bare) is not None
