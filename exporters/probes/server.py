"""Wiring: runs engine, sockets and HTTP in one event loop. `run` is the entry of `noc exporter probes`.

Replies are read at each tick of 20 ms (the kernel has stamped them), then the engine sends what is due. The target list
is read again every 60 s; a list that cannot be read leaves the last one in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporters.common.deadline import scrape_budget_s
from exporters.common.errors import BadInput
from exporters.common.serve import serve
from exporters.common.targets import REFRESH_S, Target, TargetsUnavailable, fetch_targets, read_token
from exporters.probes import exposition, settings
from exporters.probes.engine import Engine
from exporters.probes.live import Live
from exporters.probes.settings import Settings
from exporters.probes.single import FIRST_INDEX, SingleProber, outcome_text
from exporters.probes.sockets import EchoSocket, Sockets
from exporters.probes.targets import from_discovery

TICK_S = 0.02
RETRY_S = 0.5
TEXT = exposition.CONTENT_TYPE


class Prober:
    """The running prober: one engine, its sockets and its target list.

    Args:
        config: intervals, rate, modules, fixed targets.
        targets_url: http_sd URL of the targets; None where only the fixed ones are watched.
        token_file: bearer token for it; None where it needs none.
    """

    def __init__(self, config: Settings, targets_url: str | None, token_file: Path | None) -> None:
        self.config = config
        self._url = targets_url
        self._token_file = token_file
        self._sockets = Sockets(self._opened)
        self.single = SingleProber(self._sockets)
        self.engine = Engine(self._send, config, time.monotonic())
        self.own = exposition.OwnMetrics(self.engine, lambda: self._sockets.foreign, time.monotonic)
        self._fixed = tuple(Target(address, g.labels) for g in config.targets for address in g.targets)
        self._last: tuple[Target, ...] | None = None
        self._said: set[str] = set()

    @contextlib.asynccontextmanager
    async def running(self, _app: object = None) -> AsyncIterator[None]:
        """Probe until the context ends."""
        self._use(self._fixed)
        gc.collect()
        gc.freeze()  # thousands of long-lived objects: not worth visiting in each collection
        tasks = [asyncio.create_task(self._ticking())]
        if self._url is not None:
            tasks.append(asyncio.create_task(self._refreshing(self._url)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._sockets.close()

    async def _ticking(self) -> None:
        """Tick until cancelled. An error of one tick is said once and does not end the watch."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                self._sockets.drain(self._deliver)
                self.engine.tick(time.monotonic())
            except Exception as error:  # whatever it is, the other targets must still be watched
                self._say(f"prober: a tick failed: {type(error).__name__}: {error}; please report this")
            due = max(due + TICK_S, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _refreshing(self, url: str) -> None:
        async with httpx.AsyncClient() as client:
            while True:
                try:
                    found = await fetch_targets(client, url, self._token_file)
                except TargetsUnavailable as error:
                    self.own.refresh_failures += 1
                    self._say(f"prober: {error}; the last list stays in force")
                    await asyncio.sleep(RETRY_S if self._last is None else REFRESH_S / 4)
                    continue
                self.own.refreshed_at = time.time()
                if found != self._last:
                    self._last = found
                    self._use((*self._fixed, *found))
                await asyncio.sleep(REFRESH_S)

    def _use(self, found: tuple[Target, ...]) -> None:
        targets, problems = from_discovery(found)
        for problem in problems:
            self._say(f"prober: {problem}")
        self.own.refused_targets = len(problems)
        self.engine.set_targets(targets, time.monotonic())

    def _send(self, live: Live, sequence: int) -> float:
        target = live.target
        try:
            sock = self._sockets.get(target.module, target.family)
        except BadInput as error:
            self._say(f"prober: {error}")
            raise OSError(1, str(error)) from error
        return sock.send(target.host, target.port, live.index, sequence)

    def _deliver(self, index: int, sequence: int, host: str, port: int, at: float) -> None:
        if index >= FIRST_INDEX:
            self.single.reply(index, host, port, at)
        else:
            self.engine.reply(index, sequence, host, port, at)

    def _opened(self, sock: EchoSocket) -> None:
        """Without kernel stamps, replies must be read as they come, or the tick would be in the RTT."""
        if not sock.kernel_stamps:
            asyncio.get_running_loop().add_reader(sock.fileno(), sock.drain, self._deliver)

    def _say(self, sentence: str) -> None:
        """Write a sentence on stderr, each one once."""
        if sentence not in self._said:
            self._said.add(sentence)
            print(sentence, file=sys.stderr, flush=True)  # noqa: T201


def application(prober: Prober) -> Starlette:
    """The HTTP side: /metrics/state, /metrics (with `own=0`: sessions only), /metrics/self, /probe, /healthz."""

    async def state(_: Request) -> Response:
        return Response(exposition.state_text(prober.engine, time.monotonic()), media_type=TEXT)

    async def metrics(request: Request) -> Response:
        text = exposition.quality_text(prober.engine, time.monotonic())
        own = b"" if request.query_params.get("own") == "0" else prober.own.text()
        return Response(text + own, media_type=TEXT)

    async def own(_: Request) -> Response:
        return Response(prober.own.text(), media_type=TEXT)

    async def healthz(_: Request) -> Response:
        lives = list(prober.engine.lives)
        now = time.monotonic()
        return JSONResponse({"status": "ok", "targets": len(lives), "known": sum(live.known(now) for live in lives)})

    async def probe(request: Request) -> Response:
        target, name = request.query_params.get("target", ""), request.query_params.get("module", "icmp")
        module = prober.config.modules.get(name)
        if not target:
            return PlainTextResponse("target is missing: /probe?target=HOST[:PORT]&module=icmp\n", 400)
        if module is None:
            known = ", ".join(sorted(prober.config.modules))
            return PlainTextResponse(f"unknown module {name!r}; this prober has {known}\n", 400)
        header = request.headers.get("x-prometheus-scrape-timeout-seconds")
        outcome = await prober.single.probe(target, module, scrape_budget_s(header))
        text = outcome_text(outcome, module)
        if request.query_params.get("debug") == "true":
            log = "\n".join(outcome.log)
            body = f"Logs for the probe:\n{log}\n\nMetrics that would have been returned:\n{text}"
            return PlainTextResponse(f"{body}\nModule configuration:\n{module.model_dump_json()}\n")
        return Response(text, media_type=TEXT)

    routes = [
        Route("/metrics/state", state),
        Route("/metrics", metrics),
        Route("/metrics/self", own),
        Route("/probe", probe),
        Route("/healthz", healthz),
    ]
    return Starlette(routes=routes, lifespan=prober.running)


def run(config: Path | None, listen: str, targets_url: str | None, token_file: Path | None) -> None:
    """Probe and serve until SIGTERM or SIGINT.

    Args:
        config: YAML file (see README); None for the defaults.
        listen: HOST:PORT, loopback only.
        targets_url: Prometheus http_sd URL, read every 60 s; None to watch only the file's targets.
        token_file: bearer token for `targets_url`, read afresh each time.

    Raises:
        BadInput: configuration, address, port or token file; the message says the remedy.
        Refused: `listen` is not loopback.
    """
    read_token(token_file)
    prober = Prober(settings.load(config), targets_url, token_file)
    serve(application(prober), listen, name="prober")
