"""What the console says while nobody measures, beside a real Prometheus that remembers better times."""

from __future__ import annotations

from collections import Counter

import httpx
from noc_rig import TOKEN, ConsoleProcess, Rig, wait_until

from inventory.models import Inventory
from network_ops.noc import site_questions

BEARER = {"Authorization": f"Bearer {TOKEN}"}
HTML = {"Accept": "text/html"}


def ask(rig: Rig, expression: str) -> list[str]:
    answer = httpx.post(rig.url("prometheus") + "/api/v1/query", data={"query": expression}).json()
    return [row["value"][1] for row in answer["data"]["result"]]


def states(console: ConsoleProcess) -> Counter[str]:
    return Counter(row["state"] for row in httpx.get(console.url + "/api/sites", headers=BEARER).json())


def test_a_prometheus_that_restarts_into_blindness_makes_all_sites_unknown_and_no_list_green(
    rig: Rig, console: ConsoleProcess, tables: Inventory
) -> None:
    wait_until(lambda: states(console)["up"] > 500, 30, "the sites being measured")
    rig.measurements.mute = True
    rig.stop_one("prometheus")
    rig.start_prometheus()
    try:
        wait_until(lambda: states(console) == {"unknown": len(tables.sites)}, 50, "all sites being unknown")
        # It answers all the same, with what it recorded before: that is what must not be believed.
        assert ask(rig, "count(wan:site_up)") == [str(len(tables.sites))]
        assert ask(rig, site_questions.questions(tables, next(iter(tables.sites))).state) == []
        checks = {c["id"]: c["word"] for c in httpx.get(console.url + "/api/health", headers=BEARER).json()["checks"]}
        assert (checks["prometheus"], checks["probes"]) == ("UP", "BLIND")
        for path in ("/", "/alerts", "/wallboard"):
            page = httpx.get(console.url + path, headers=HTML).text
            assert "No open alerts" not in page, path
            assert "Probes BLIND" in page, path
        site = next(iter(tables.sites))
        detail = httpx.get(f"{console.url}/api/sites/{site}", headers=BEARER).json()
        assert {s["state"] for c in detail["circuits"] for s in c["sessions"]} == {"unknown"}
    finally:
        rig.measurements.mute = False
    wait_until(lambda: states(console)["up"] > 500, 40, "the sites being measured again")


def test_the_bar_of_the_last_hour_knows_what_makes_a_site_degraded(rig: Rig, tables: Inventory) -> None:
    well, alerted, dark = list(tables.sites)[70:73]
    cut = next(c for c in list(tables.circuits.values())[200:] if len(tables.circuits_of[c.site]) > 1)
    rig.measurements.alerted.update({alerted, dark})
    rig.measurements.down.add(dark)
    rig.measurements.cut.add(cut.id)
    wanted = {well: ["2"], alerted: ["1"], cut.site: ["1"], dark: ["0"]}

    def found() -> dict[str, list[str]]:
        return {site: ask(rig, site_questions.questions(tables, site).state) for site in wanted}

    try:
        wait_until(lambda: found() == wanted, 15, "the states in Prometheus")
    finally:
        rig.measurements.alerted.clear()
        rig.measurements.down.discard(dark)
        rig.measurements.cut.discard(cut.id)
