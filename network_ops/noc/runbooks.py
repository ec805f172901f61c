"""Runbooks as pages: the few parts of Markdown that they use, to HTML that can carry nothing else.

All text is escaped first; only headings, paragraphs, lists, code, bold and plain links become markup.
"""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_HEADING = re.compile(r"(#{1,4})\s+(.*)")
_BULLET = re.compile(r"\s*[-*]\s+(.*)")
_NUMBER = re.compile(r"\s*\d+[.)]\s+(.*)")
_LABEL = re.compile(r"\*\*[^*]+\*\*\s+")
_SENTENCE = re.compile(r".*?[.!?](?=\s+[A-Z`]|$)|.+")
_LINK = re.compile(r"\[([^\]]+)\]\((https?://[^\s)]+|[A-Za-z0-9]+\.md)\)")


def find(folder: Path, name: str) -> str | None:
    """The text of a runbook; None when there is none of that name or the name is none."""
    if not _NAME.fullmatch(name):
        return None
    try:
        return (folder / f"{name}.md").read_text()
    except OSError:
        return None


def index(folder: Path) -> dict[str, Markup]:
    """All runbooks by name, with what the first sentence of each says."""
    found = sorted(path.stem for path in folder.glob("*.md") if _NAME.fullmatch(path.stem))
    return {name: first_sentence(find(folder, name) or "") for name in found}


def first_sentence(text: str) -> Markup:
    """HTML of the first sentence below the title, without its label (`**Means.**`); empty when there is none."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    first = next((p for p in paragraphs if p and not _HEADING.match(p)), "")
    sentence = _SENTENCE.match(_LABEL.sub("", first))
    return Markup(_inline(sentence[0] if sentence else ""))  # noqa: S704 - _inline() escapes


def _inline(text: str) -> str:
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(f"<code>{escape(p[1:-1])}</code>" if p[:1] == "`" and p[-1:] == "`" and len(p) > 1 else _rich(p)
                   for p in pieces)  # fmt: skip


def _rich(text: str) -> str:
    safe = str(escape(text))
    safe = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", safe)
    return _LINK.sub(lambda m: f'<a href="{m[2].removesuffix(".md")}">{m[1]}</a>', safe)


def render(text: str) -> Markup:  # noqa: C901 - one branch for each kind of line
    """HTML of a runbook."""
    out: list[str] = []
    paragraph: list[str] = []
    items: list[str] = []
    kind = ""
    code: list[str] | None = None

    def flush() -> None:
        nonlocal kind
        if paragraph:
            out.append(f"<p>{_inline(' '.join(paragraph))}</p>")
            paragraph.clear()
        if items:
            out.append(f"<{kind}>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + f"</{kind}>")
            items.clear()
            kind = ""

    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            flush()
            if code is None:
                code = []
            else:
                out.append(f"<pre><code>{escape(chr(10).join(code))}</code></pre>")
                code = None
        elif code is not None:
            code.append(line)
        elif heading := _HEADING.match(line):
            flush()
            level = min(len(heading[1]), 4)
            out.append(f"<h{level}>{_inline(heading[2])}</h{level}>")
        elif item := (_BULLET.match(line) or _NUMBER.match(line)):
            wanted = "ul" if _BULLET.match(line) else "ol"
            if paragraph or (kind and kind != wanted):
                flush()
            kind = wanted
            items.append(item[1])
        elif not line.strip():
            flush()
        elif items:
            items[-1] += " " + line.strip()
        else:
            paragraph.append(line.strip())
    flush()
    if code is not None:
        out.append(f"<pre><code>{escape(chr(10).join(code))}</code></pre>")
    return Markup("".join(out))  # noqa: S704 - every piece of text above went through escape()
