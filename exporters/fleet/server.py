"""Wiring: collectors behind `/metrics`, and `/healthz`. `run` is the entry of `noc exporter fleet`.

The application is plain ASGI: two paths need no framework, and the whole NOC shares one small machine. Collectors read
local files within a scrape; what cannot be read is counted, named on stderr once, and tried again at the next.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporters.common.errors import ExporterError
from exporters.common.serve import serve
from exporters.fleet.deployments import Deployments
from exporters.fleet.gathering import FleetCollector, Gathered

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHOWN = 20  # names of unreadable files in labels; the count says how many there are


class Fleet(Collector):
    """All collectors as one, with what there is to say about themselves.

    Args:
        collectors: the subjects.
        clock: Unix time in seconds.
    """

    def __init__(self, collectors: Sequence[FleetCollector], clock: Callable[[], float] = time.time) -> None:
        self._collectors = collectors
        self._clock = clock
        self._errors = dict.fromkeys((c.name for c in collectors), 0)
        self._said: dict[str, str] = {}
        self.files = 0

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand, so that registering reads no file."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Every collector's metrics; one that fails takes nothing of the others with it."""
        label = ["collector"]
        success = GaugeMetricFamily(
            "wan_noc_fleet_collector_success", "Whether the collector could look.", labels=label
        )
        seconds = GaugeMetricFamily("wan_noc_fleet_collector_duration_seconds", "Time of its last look.", labels=label)
        files = GaugeMetricFamily("wan_noc_fleet_files", "Files found.", labels=label)
        count = GaugeMetricFamily("wan_noc_fleet_unreadable_files", "Files that cannot be read now.", labels=label)
        names = GaugeMetricFamily(
            "wan_noc_fleet_unreadable_file", "1 for a file that cannot be read now.", labels=["collector", "file"]
        )
        errors = CounterMetricFamily("wan_noc_fleet_read_errors", "Failed attempts to read a file.", labels=label)
        self.files = 0
        for collector in self._collectors:
            began = time.perf_counter()
            found = self._look(collector)
            seconds.add_metric([collector.name], time.perf_counter() - began)
            success.add_metric([collector.name], float(found is not None))
            if found is not None:
                yield from found.metrics
                files.add_metric([collector.name], found.files)
                count.add_metric([collector.name], len(found.unreadable))
                for name in sorted(found.unreadable)[:SHOWN]:
                    names.add_metric([collector.name, name], 1)
                self.files += found.files
            errors.add_metric([collector.name], self._errors[collector.name])
        yield from (success, seconds, files, count, names, errors)

    def _look(self, collector: FleetCollector) -> Gathered | None:
        try:
            found = collector.gather(self._clock())
        except (ExporterError, OSError) as error:
            self._errors[collector.name] += 1
            self._say({collector.name: str(error)})
            return None
        self._errors[collector.name] += len(found.unreadable)
        self._say({f"{collector.name}: {name}": why for name, why in found.unreadable.items()})
        return found

    def _say(self, faults: dict[str, str]) -> None:
        """Name on stderr what is newly wrong."""
        for what, why in faults.items():
            if self._said.get(what) != why:
                print(f"fleet exporter: {what} {why}", file=sys.stderr, flush=True)  # noqa: T201
        self._said = faults


class Application:
    """The ASGI application: /metrics and /healthz."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._registry = CollectorRegistry()
        self._registry.register(fleet)
        ProcessCollector(registry=self._registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the server's start and stop."""
        if scope["type"] == "lifespan":
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})
            return
        status, kind, body = self.answer(scope["method"], scope["path"])
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a request."""
        if method not in ("GET", "HEAD"):
            return 405, "text/plain", b"only GET is answered here\n"
        if path == "/metrics":
            return 200, CONTENT_TYPE, generate_latest(self._registry)
        if path == "/healthz":
            state = {"status": "ok", "files": self._fleet.files}
            return 200, "application/json", json.dumps(state).encode()
        return 404, "text/plain", b"there are /metrics and /healthz\n"


def run(listen: str, records: Path, stacks: Path | None, *, allow_remote: bool = False) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        listen: HOST:PORT.
        records: folder of the records that `noc infra` writes; it may come into being later.
        stacks: folder of the stacks' configuration files, for the exemptions; None: without.
        allow_remote: accept an address that other machines can reach.

    Raises:
        BadInput: address or port; the message says the remedy.
        Refused: `listen` is not loopback and `allow_remote` is false.
    """
    if not records.is_dir():
        print(  # noqa: T201
            f"fleet exporter: {records} does not exist yet: no stack is watched until `noc infra preview` writes there",
            file=sys.stderr,
            flush=True,
        )
    serve(Application(Fleet([Deployments(records, stacks)])), listen, name="fleet exporter", allow_remote=allow_remote)
