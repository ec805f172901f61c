"""A network in virtual time for the prober's engine: latency, loss and outages per target, hours in seconds."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterable

from exporters.common.targets import Target
from exporters.probes.engine import Engine
from exporters.probes.exposition import state_text
from exporters.probes.live import Live
from exporters.probes.settings import Settings
from exporters.probes.targets import ProbeTarget, from_discovery

TICK_S = 0.02


def session(site: str, leg: str = "a", hub: str = "valencia", carrier: str = "geo-one", rtt_ms: float = 600) -> Target:
    labels = {
        "probe": "session",
        "module": "udp",
        "site": site,
        "circuit": f"{site}.{leg}",
        "hub": hub,
        "peer": "10.200.0.0",
        "region": "africa",
        "tier": "3",
        "carrier": carrier,
        "kind": "geo",
        "rtt_ms": str(rtt_ms),
        "loss_ratio": "0.005",
    }
    return Target("127.0.0.1:7", labels)


def device(site: str, name: str = "r1", rtt_ms: float = 600) -> Target:
    labels = {
        "probe": "device",
        "module": "udp",
        "site": site,
        "device": f"{site}-{name}",
        "role": "router",
        "region": "africa",
        "tier": "3",
        "rtt_ms": str(rtt_ms),
    }
    return Target("127.0.0.1:7", labels)


def site(name: str, carriers: tuple[str, ...] = ("geo-one",), devices: int = 1, rtt_ms: float = 600) -> list[Target]:
    found = [
        session(name, leg, hub, carrier, rtt_ms)
        for leg, carrier in zip("abc", carriers, strict=False)
        for hub in ("valencia", "brindisi")
    ]
    return found + [device(name, f"r{n + 1}", rtt_ms) for n in range(devices)]


class World:
    """Runs an engine against a simulated network; `dead` decides who answers nothing."""

    def __init__(self, targets: Iterable[Target], loss: float = 0.0, seed: int = 1, **settings: float) -> None:
        self.now = 1000.0
        self.loss = loss
        self.dead: Callable[[ProbeTarget], bool] = lambda _: False
        self.broken: Callable[[], OSError | None] = lambda: None
        self.sent: list[tuple[float, ProbeTarget]] = []
        self.purposes: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._replies: list[tuple[float, int, Live, int]] = []
        self.targets, self.problems = from_discovery(targets)
        self.engine = Engine(self._send, Settings.model_validate(settings), self.now)
        self.engine.set_targets(self.targets, self.now)

    def _send(self, live: Live, sequence: int) -> float:
        error = self.broken()
        if error is not None:
            raise error
        self.sent.append((self.now, live.target))
        if not self.dead(live.target) and self._random.random() >= self.loss:
            arrival = self.now + live.target.rtt_s * self._random.uniform(0.97, 1.05)
            heapq.heappush(self._replies, (arrival, len(self.sent), live, sequence))
        return self.now

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += TICK_S
            self.tick()

    def tick(self) -> None:
        while self._replies and self._replies[0][0] <= self.now:
            at, _, live, sequence = heapq.heappop(self._replies)
            self.engine.reply(live.index, sequence, live.target.host, live.target.port, at)
        self.engine.tick(self.now)

    def until(self, condition: Callable[[], bool], limit_s: float) -> float:
        """Seconds until the condition holds; fails at the limit."""
        began = self.now
        while not condition():
            assert self.now - began < limit_s, f"not within {limit_s} s"
            self.run(TICK_S)
        return self.now - began

    def state(self) -> dict[str, int]:
        """What /metrics/state says, by session (`circuit@hub`) or device id."""
        found: dict[str, int] = {}
        for line in state_text(self.engine, self.now).decode().splitlines():
            if line.startswith("#"):
                continue
            labels = dict(part.split("=", 1) for part in line[line.index("{") + 1 : line.rindex("}")].split(","))
            values = {name: value.strip('"') for name, value in labels.items()}
            key = values.get("device") or f"{values['circuit']}@{values['hub']}"
            found[key] = int(line.rsplit(" ", 1)[1])
        return found

    def live(self, name: str) -> Live:
        return next(live for live in self.engine.lives if live.target.id == name)
