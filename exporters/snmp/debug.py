"""`/snmp?...&debug=true`: one poll as a person wants to see it. No secret is in it.

Turns a poll that was traced, and what the engine remembers of the target, into plain text: outcome, path, index cache,
plan, every datagram with its times, samples.
"""

from __future__ import annotations

from exporters.snmp.config import Auth
from exporters.snmp.errors import Malformed, PollFailed
from exporters.snmp.message import decode_oid
from exporters.snmp.plan import Batch
from exporters.snmp.request import ScrapeRequest
from exporters.snmp.state import Entry, PollResult, Target

VERSIONS = {1: "SNMPv1", 2: "SNMPv2c", 3: "SNMPv3"}


def report(
    wanted: ScrapeRequest,
    outcome: PollResult | PollFailed,
    target: Target | None,
    entry: Entry | None,
    trace: list[str],
    now: float,
) -> str:
    """The text.

    Args:
        wanted: what was asked.
        outcome: of the poll.
        target: what is known of the address; None where it never meant one.
        entry: the index cache for this question.
        trace: a line for each datagram of this poll.
        now: loop time.
    """
    modules = ", ".join(module.name for module in wanted.modules)
    lines = [f"target   {wanted.target}", f"auth     {_auth(wanted.auth)}", f"modules  {modules}", ""]
    lines += [_outcome(outcome), ""]
    if target is not None:
        path = target.path
        known = f"round trip {path.srtt_s * 1000:.1f} ms, varies by {path.rttvar_s * 1000:.1f} ms"
        lines += [f"path     {known if path.srtt_s else 'nothing heard yet'}"]
        lines += [f"         window {path.window:.0f} datagrams, loss {path.loss_ratio:.1%}", ""]
    if entry is not None:
        lines += _cache(entry, now)
        lines += _plan(entry)
    lines += [f"datagrams of this poll: {len(trace)}", *(f"  {line}" for line in trace), ""]
    if isinstance(outcome, PollResult):
        lines += ["samples", outcome.text]
    return "\n".join(lines) + "\n"


def _auth(auth: Auth) -> str:
    """Who asks; secrets are named, never shown."""
    said = f"{auth.name}: {VERSIONS[auth.version]}"
    if auth.version != 3:
        return f"{said}, community not shown"
    used = {"noAuthNoPriv": "", "authNoPriv": f", {auth.auth_protocol}"}
    protocols = used.get(auth.level, f", {auth.auth_protocol} and {auth.priv_protocol}")
    context = f", context '{auth.context}'" if auth.context else ""
    return f"{said}, {auth.level}{protocols}{context}, user and passwords not shown"


def _outcome(outcome: PollResult | PollFailed) -> str:
    if isinstance(outcome, PollFailed):
        return f"FAILED   {outcome} [reason: {outcome.reason}]"
    sent, again = sum(outcome.sent.values()), sum(outcome.retried.values())
    partial = f", PARTIAL: {outcome.unanswered} not answered" if outcome.partial else ""
    walked = f", of it {outcome.walk_s * 1000:.1f} ms walking" if outcome.walk_s else ""
    took = f"{outcome.duration_s * 1000:.1f} ms{walked}"
    return f"ok       {outcome.planned} variables in {took}; {sent} datagrams sent, {again} of them again{partial}"


def _cache(entry: Entry, now: float) -> list[str]:
    if entry.plan is None:
        return [f"cache    nothing yet: {entry.stale}", ""]
    compared = f"labels are compared in {entry.refresh_at - now:.0f} s"
    lines = [f"cache    walked {now - entry.discovered_at:.0f} s ago; {compared},"]
    lines += [f"         everything is walked again in {(entry.expires_at - now) / 3600:.1f} h"]
    if entry.stale:
        lines += [f"         NOT VALID any more: {entry.stale}"]
    if entry.lost_columns:
        lines += [f"         {entry.lost_columns} columns could not be walked"]
    lines += [f"         mark {_name(name)} = {value}" for name, value in entry.marks.items()]
    return [*lines, ""]


def _plan(entry: Entry) -> list[str]:
    plan = entry.plan
    if plan is None:
        return []
    counts = f"{len(plan.variables)} variables in {len(plan.batches)} datagrams"
    head = f"plan     {counts} of {plan.limit_bytes} octets at most"
    slices = f"slices of {plan.most_rows} rows at most" if plan.most_rows else "no slices"
    isolated = f", {len(plan.isolated)} variables alone because they failed" if plan.isolated else ""
    return [f"{head}, {slices}{isolated}", *(_batch(n, b) for n, b in enumerate(plan.batches, 1)), ""]


def _batch(number: int, batch: Batch) -> str:
    kind = "GETBULK" if batch.bulk else "GET"
    first, last = (_name(v.name) for v in (batch.variables[0], batch.variables[-1]))
    back = sum(v.reply_bytes for v in batch.variables)
    shape = "known shape" if batch.layout is not None else "no shape yet"
    sizes = f"{len(batch.request.data):>4} octets out, up to {back:>4} back"
    return f"  {number:>3} {kind:<7} {len(batch.variables):>3} variables, {sizes}, {shape}: {first} to {last}"


def _name(content: bytes) -> str:
    try:
        return ".".join(map(str, decode_oid(content)))
    except Malformed:
        return content.hex()
