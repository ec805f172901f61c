"""The exporter's HTTP side: /snmp, /metrics, /healthz, /sweep and a landing page.

Turns scrapes into polls of the engine. It refuses bad questions with HTTP 400 and, like the peer, answers
HTTP 500 with the reason when a target gave nothing, so that Prometheus' `up` is 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import html
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from exporters.common.deadline import HEADER, scrape_budget_s
from exporters.common.errors import BadInput
from exporters.common.serve import serve
from exporters.common.targets import read_token
from exporters.snmp import loader
from exporters.snmp.config import Config
from exporters.snmp.debug import report
from exporters.snmp.engine import Engine
from exporters.snmp.errors import ConfigError, PollFailed, UnknownName
from exporters.snmp.exposition import CONTENT_TYPE, exposition
from exporters.snmp.own_metrics import Reloads, registry
from exporters.snmp.request import ScrapeRequest, parse_query
from exporters.snmp.state import PollResult
from exporters.snmp.sweep import Status, Sweep

_REMEMBERED_QUERIES = 10_000


class SnmpExporter:
    """One exporter: configuration, engine and sweep. The engine lives as long as the application does."""

    def __init__(
        self,
        config: Config,
        targets_url: str | None = None,
        token_file: Path | None = None,
        files: Sequence[Path] = (loader.SHIPPED,),
    ) -> None:
        self.config = config
        self._files = tuple(files)
        self._reloads = Reloads()
        self._reloading = asyncio.Lock()
        self.engine: Engine | None = None
        self._targets_url = targets_url
        self._token_file = token_file
        self._sweep: Sweep | None = None
        self._registry: CollectorRegistry | None = None
        self._parse = lru_cache(maxsize=_REMEMBERED_QUERIES)(self._parse_afresh)

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/snmp", _Scrape(self), methods=["GET"]),
                Route("/metrics", self._metrics),
                Route("/healthz", self._healthz),
                Route("/sweep", self._sweep_status),
                Route("/-/reload", self._reload, methods=["POST"]),
                Route("/", self._landing),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.engine = Engine(self.config)
        self._registry = registry(self.engine, self._reloads)
        self._hear_hangups()
        task: asyncio.Task[None] | None = None
        if self._targets_url is not None:
            self._sweep = Sweep(self.engine, self._targets_url, self._token_file)
            task = asyncio.get_running_loop().create_task(self._sweep.run())
        gc.collect()
        gc.freeze()  # modules and configuration live for ever: no need to look through them again
        try:
            yield
        finally:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            self.engine.close()

    def _hear_hangups(self) -> None:
        """SIGHUP reads the configuration again, as with the peer; where the system and this thread have signals."""
        tasks: set[asyncio.Task[str]] = set()

        def heard() -> None:
            task = asyncio.get_running_loop().create_task(self.reload())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError, AttributeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard)

    async def reload(self) -> str:
        """Read the configuration files again; polls go on meanwhile. Returns what is wrong; the old one stays then.

        What is remembered of the targets stays too, but for modules that are different now.
        """
        async with self._reloading:
            try:
                loaded = await asyncio.to_thread(loader.load, self._files)
            except ConfigError as error:
                self._reloads.successful = False
                print(f"noc exporter snmp: configuration not reloaded: {error}", file=sys.stderr, flush=True)  # noqa: T201
                return str(error)
            self.config = loaded
            if self.engine is not None:
                self.engine.config = loaded
            self._parse.cache_clear()
            self._reloads.successful, self._reloads.read_at = True, time.time()
            return ""

    async def debug(self, query: bytes, header: bytes | None) -> tuple[int, str, bytes]:
        """Poll once and tell how it went, for people: status, content type and body."""
        assert self.engine is not None
        kind = "text/plain; charset=utf-8"
        try:
            wanted = self._parse(query)
            target, _ = await self.engine.look(wanted.target, wanted.auth, wanted.modules)
        except (UnknownName, PollFailed) as error:
            return 400, kind, f"{error}\n".encode()
        trace: list[str] = []
        target.trace = trace
        outcome: PollResult | PollFailed
        try:
            outcome = await self.engine.poll(wanted.target, wanted.auth, wanted.modules, scrape_budget_s(header))
        except UnknownName as error:
            return 400, kind, f"{error}\n".encode()
        except PollFailed as error:
            outcome = error
        finally:
            target.trace = None
        _, entry = await self.engine.look(wanted.target, wanted.auth, wanted.modules)
        text = report(wanted, outcome, target, entry, trace, asyncio.get_running_loop().time())
        return 200, kind, text.encode()

    async def _reload(self, _: Request) -> Response:
        wrong = await self.reload()
        return PlainTextResponse(f"{wrong}\n" if wrong else "reloaded\n", 500 if wrong else 200)

    def _parse_afresh(self, query: bytes) -> ScrapeRequest:
        return parse_query(self.config, query)

    async def scrape(self, query: bytes, header: bytes | None) -> tuple[int, str, bytes]:
        """Answer one scrape: status, content type and body.

        Args:
            query: the query string as it came.
            header: value of the scraper's timeout header, seconds; None without one.
        """
        assert self.engine is not None
        try:
            wanted = self._parse(query)
            result = await self.engine.poll(wanted.target, wanted.auth, wanted.modules, scrape_budget_s(header))
        except UnknownName as error:
            return 400, "text/plain; charset=utf-8", f"{error}\n".encode()
        except PollFailed as error:
            text = f"error collecting metrics from {wanted.target}: {error} [reason: {error.reason}]\n"
            return 500, "text/plain; charset=utf-8", text.encode()
        return 200, CONTENT_TYPE, exposition(result)

    async def _metrics(self, _: Request) -> Response:
        assert self._registry is not None
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _sweep_status(self, _: Request) -> Response:
        status = self._sweep.status if self._sweep is not None else Status()
        return JSONResponse(status.as_json(asyncio.get_running_loop().time()))

    async def _landing(self, _: Request) -> Response:
        return HTMLResponse(landing_page(self.config), headers={"content-security-policy": "default-src 'none'"})


class _Scrape:
    """ASGI end point of /snmp: no framework between the request and the engine, because it is asked most."""

    def __init__(self, exporter: SnmpExporter) -> None:
        self._exporter = exporter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        timeout = next((value for name, value in scope["headers"] if name == HEADER), None)
        query = scope["query_string"]
        answer = self._exporter.debug if b"debug=true" in query else self._exporter.scrape
        status, content_type, body = await answer(query, timeout)
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def landing_page(config: Config) -> str:
    """A page for people: what to ask, and which modules and credentials there are."""

    def items(names: dict[str, tuple[str, ...]]) -> str:
        rows = (
            f"<li><code>{html.escape(n)}</code>{' (not usable yet)' if why else ''}</li>" for n, why in names.items()
        )
        return f"<ul>{''.join(rows)}</ul>"

    modules = items({m.name: m.unsupported for m in config.modules.values()})
    auths = items(dict.fromkeys(config.auths, ()))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>SNMP exporter</title></head><body>"
        "<h1>SNMP exporter</h1><p>Reads one device for Prometheus, in snmp_exporter's conventions: "
        "<code>/snmp?target=HOST[:PORT]&amp;module=NAME,NAME&amp;auth=NAME</code>.</p>"
        "<form action='/snmp'><p><label>Target <input name='target' required></label> "
        "<label>Module <input name='module' value='if_mib'></label> "
        "<label>Auth <input name='auth' value='public_v2'></label> <button>Read</button></p></form>"
        "<p>About itself: <a href='/metrics'>metrics</a>, <a href='/sweep'>start-up sweep</a>, "
        "<a href='/healthz'>health</a>.</p>"
        f"<h2>Modules</h2>{modules}<h2>Auths</h2>{auths}</body></html>"
    )


def run(
    config: Sequence[Path],
    listen: str,
    targets_url: str | None,
    token_file: Path | None,
    *,
    allow_remote: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: snmp.yml files, which are joined; none takes the shipped one.
        listen: HOST:PORT; loopback unless `allow_remote`.
        targets_url: http_sd URL for the start-up sweep; None sweeps nothing.
        token_file: file with the bearer token for `targets_url`.
        allow_remote: listen on an address that other machines can reach.

    Raises:
        ConfigError, BadInput: wrong configuration, address, port or token file (exit code 2).
        Refused: an address that is not loopback (exit code 4).
    """
    if token_file is not None and targets_url is None:
        raise BadInput("--token-file is the token for --targets; add --targets URL or leave it out")
    read_token(token_file)
    files = tuple(config) or (loader.SHIPPED,)
    loaded = loader.load(files)
    for sentence in loaded.refusals():
        print(f"noc exporter snmp: {sentence}", file=sys.stderr)  # noqa: T201
    exporter = SnmpExporter(loaded, targets_url, token_file, files)
    serve(exporter.app(), listen, name="SNMP exporter", allow_remote=allow_remote)
