"""The console as a process beside a real Prometheus and Alertmanager: alerts, acknowledgements, doors, restarts."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from noc_rig import PASSWORD, TOKEN, ConsoleProcess, Rig, wait_until

from inventory.models import Inventory

BEARER = {"Authorization": f"Bearer {TOKEN}"}
HTML = {"Accept": "text/html"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextmanager
def browser(console: ConsoleProcess, name: str = "") -> Iterator[httpx.Client]:
    """A client with cookies, logged in as `name` if given."""
    with httpx.Client(base_url=console.url, headers=HTML, timeout=20) as client:
        if name:
            form = {"name": name, "password": PASSWORD, "csrf": csrf(client.get("/login").text)}
            assert client.post("/login", data=form).status_code == 303
        yield client


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def alert_of(console: ConsoleProcess, site: str) -> dict[str, Any] | None:
    rows = httpx.get(console.url + "/api/alerts", headers=BEARER).json()["alerts"]
    return next((row for row in rows if row["labels"].get("site") == site), None)


def site_labels(tables: Inventory, number: int) -> dict[str, str]:
    site = list(tables.sites.values())[number]
    return {"scope": "site", "site": site.id, "region": site.region, "tier": str(site.tier)}


def test_an_alert_is_shown_taken_kept_over_a_kill_and_resolved(
    rig: Rig, console: ConsoleProcess, tables: Inventory
) -> None:
    labels = site_labels(tables, 10)
    site = labels["site"]
    rig.alert("SiteDown", f"{site} is down", **labels)
    row = wait_until(lambda: alert_of(console, site), 5, "the alert on the console")
    assert (row["name"], row["severity"], row["acknowledged"]) == ("SiteDown", "page", None)
    with browser(console, "amina") as amina:
        session = amina.get("/api/session").json()
        answer = amina.post(
            f"/api/alerts/{row['id']}/acknowledge", json={"comment": "calling the carrier"},
            headers={"X-CSRF-Token": session["csrf"]},
        )  # fmt: skip
    assert answer.status_code == 200, answer.text
    console.stop(signal.SIGKILL)
    console.start()
    row = wait_until(lambda: alert_of(console, site), 10, "the alert after the restart")
    assert (row["acknowledged"]["by"], row["acknowledged"]["comment"]) == ("amina", "calling the carrier")
    assert row["acknowledged"]["at"].endswith("Z")
    rig.resolve("SiteDown", **labels)
    wait_until(lambda: alert_of(console, site) is None, 20, "the resolution")


def test_alertmanager_going_away_and_coming_back_empty_neither_blanks_the_list_nor_ends_an_acknowledgement(
    rig: Rig, console: ConsoleProcess, tables: Inventory
) -> None:
    labels = site_labels(tables, 20)
    site = labels["site"]
    rig.alert("SiteDown", f"{site} is down", ago=timedelta(minutes=1), **labels)
    row = wait_until(lambda: alert_of(console, site), 5, "the alert")
    began = row["starts_at"]
    with browser(console, "amina") as amina:
        page = amina.get(f"/alerts/{row['id']}").text
        form = {"comment": "power cut, local team informed", "csrf": csrf(page)}
        assert amina.post(f"/alerts/{row['id']}/acknowledge", data=form).status_code == 303
    rig.stop_one("alertmanager")
    wait_until(lambda: (alert_of(console, site) or {}).get("confirmed") is False, 15, "the mark 'unconfirmed'")
    rig.start_alertmanager()
    healthy = lambda: _checks(console)["alertmanager"] == "UP"  # noqa: E731
    wait_until(healthy, 20, "Alertmanager being up again")
    row = alert_of(console, site)
    assert row is not None
    assert row["confirmed"] is False
    rig.alert("SiteDown", f"{site} is down", **labels)
    row = wait_until(lambda: (r := alert_of(console, site)) and r["confirmed"] and r, 5, "the confirmation")
    assert row["acknowledged"]["by"] == "amina"
    assert row["starts_at"] == began
    rig.resolve("SiteDown", **labels)
    wait_until(lambda: alert_of(console, site) is None, 20, "the resolution")


def _checks(console: ConsoleProcess) -> dict[str, str]:
    found = httpx.get(console.url + "/api/health", headers=BEARER).json()["checks"]
    return {check["id"]: check["word"] for check in found}


def test_states_come_from_prometheus(rig: Rig, console: ConsoleProcess, tables: Inventory) -> None:
    down = list(tables.sites)[30]
    cut = next(c for c in tables.circuits.values() if len(tables.circuits_of[c.site]) > 1)
    rig.measurements.down.add(down)
    rig.measurements.cut.add(cut.id)

    def states() -> dict[str, str]:
        return {row["id"]: row["state"] for row in httpx.get(console.url + "/api/sites", headers=BEARER).json()}

    wait_until(lambda: states()[down] == "down" and states()[cut.site] == "degraded", 20, "the states")
    assert len(states()) == len(tables.sites)
    rig.measurements.down.clear()
    rig.measurements.cut.clear()
    wait_until(lambda: set(states().values()) == {"up"}, 20, "all sites being up again")


def test_the_watchdog_through_the_webhook_proves_the_alert_path(rig: Rig, console: ConsoleProcess) -> None:
    rig.alert("Watchdog", "always", severity="none")
    wait_until(lambda: _checks(console)["alert-path"] == "TESTED", 20, "the alert path being proven")


def test_a_site_page_shows_measured_values(rig: Rig, console: ConsoleProcess, tables: Inventory) -> None:
    site = next(iter(rig.measurements.detailed or ()))

    def detail() -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{console.url}/api/sites/{site}", headers=BEARER).json()
        return found

    wait_until(lambda: detail()["circuits"][0]["sessions"][0]["rtt_ms"], 25, "a measured round trip")
    found = detail()
    assert found["trouble"] == ""
    session = found["circuits"][0]["sessions"][0]
    assert session["state"] == "up"
    assert session["rtt_ms"] == pytest.approx(session["baseline_rtt_ms"], rel=0.2)
    assert {device["word"] for device in found["devices"]} == {"ANSWERS"}

    def drawn() -> str:
        page = httpx.get(f"{console.url}/sites/{site}", headers=HTML).text
        return page if '<path class="line line-0"' in page else ""

    # Charts are sampled on a grid of half minutes.
    assert "Round-trip time" in wait_until(drawn, 40, "a line in the chart")


def test_the_live_stream_brings_the_world_then_changes(rig: Rig, console: ConsoleProcess, tables: Inventory) -> None:
    labels = site_labels(tables, 40)
    with httpx.stream("GET", console.url + "/events?topics=sites,panel", timeout=20) as stream:
        lines = stream.iter_lines()
        world = next(line for line in lines if line.startswith("data: {"))
        assert world.count('":"') >= len(tables.sites)
        rig.alert("SiteDown", "a change for the stream", **labels)
        assert any("a change for the stream" in line for line in lines)
    rig.resolve("SiteDown", **labels)


# -- doors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/sd/snmp", "/api/sd/probes?x=1"])
def test_targets_are_told_to_the_other_parts_only(console: ConsoleProcess, tables: Inventory, path: str) -> None:
    assert httpx.get(console.url + path).status_code == 401
    assert httpx.get(console.url + path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    answer = httpx.get(console.url + path, headers=BEARER)
    assert answer.status_code == 200
    assert len(answer.json()) >= len(tables.devices)
    again = httpx.get(console.url + path, headers={**BEARER, "If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_the_hook_wants_the_token_and_alertmanagers_json(console: ConsoleProcess) -> None:
    url = console.url + "/hooks/alertmanager"
    assert httpx.post(url, json={"alerts": []}).status_code == 401
    assert httpx.post(url, json={"alerts": []}, headers=BEARER).status_code == 204
    refused = httpx.post(url, content=b"nonsense", headers=BEARER)
    assert (refused.status_code, "webhook" in refused.json()["error"]) == (400, True)


@pytest.mark.parametrize("path", ["/", "/alerts", "/sites", "/wallboard", "/login", "/help", "/api/health", "/nowhere"])
def test_every_answer_carries_the_strict_policy_and_no_inline_code(console: ConsoleProcess, path: str) -> None:
    answer = httpx.get(console.url + path, headers=HTML)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son[a-z]+=", answer.text)


def test_forms_without_their_token_are_refused(console: ConsoleProcess) -> None:
    with browser(console, "amina") as amina:
        assert amina.post("/alerts/f/acknowledge", data={"comment": "x"}).status_code == 403
        assert amina.post("/alerts/f/acknowledge", data={"comment": "x", "csrf": "wrong"}).status_code == 403
        assert amina.post("/api/alerts/f/acknowledge", json={"comment": "x"}).status_code == 403
        assert amina.post("/logout").status_code == 403
        assert amina.post("/theme", data={"to": "light"}).status_code == 403
    with browser(console) as nobody:
        assert nobody.post("/login", data={"name": "amina", "password": PASSWORD}).status_code == 403


def test_viewers_and_the_internal_token_read_but_do_not_acknowledge(console: ConsoleProcess) -> None:
    with browser(console, "viola") as viola:
        token = viola.get("/api/session").json()["csrf"]
        answer = viola.post("/api/alerts/f/acknowledge", json={"comment": "x"}, headers={"X-CSRF-Token": token})
        assert (answer.status_code, "operator" in answer.json()["error"]) == (403, True)
    url = console.url + "/api/alerts/f/acknowledge"
    assert httpx.post(url, json={"comment": "x"}, headers=BEARER).status_code == 403
    assert httpx.post(url, json={"comment": "x"}).status_code == 401


def test_session_cookies_are_out_of_reach_of_scripts_and_other_sites(console: ConsoleProcess) -> None:
    with browser(console) as client:
        form = {"name": "amina", "password": PASSWORD, "csrf": csrf(client.get("/login").text)}
        cookie = client.post("/login", data=form).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_logging_out_ends_the_session_on_the_server(console: ConsoleProcess) -> None:
    with browser(console, "amina") as amina:
        kept = dict(amina.cookies)
        assert amina.post("/logout", data={"csrf": csrf(amina.get("/").text)}).status_code == 303
    assert httpx.get(console.url + "/api/session", cookies=kept).status_code == 401


def test_guessing_is_slowed_down(console: ConsoleProcess) -> None:
    with browser(console) as guesser:
        token = csrf(guesser.get("/login").text)
        form = {"name": "guessed", "password": "wrong", "csrf": token}
        codes = [guesser.post("/login", data=form).status_code for _ in range(7)]
    assert codes[0] == 401
    assert codes[-1] == 429


def test_a_stranger_locks_nobody_out_of_the_browser_that_he_has_used_before(console: ConsoleProcess) -> None:
    with browser(console) as amina:
        form = {"name": "amina", "password": PASSWORD, "csrf": csrf(amina.get("/login").text)}
        answer = amina.post("/login", data=form)
        (cookie,) = [c.lower() for c in answer.headers.get_list("set-cookie") if c.startswith("noc_browser=")]
        assert {"httponly", "samesite=strict"} <= {part.strip() for part in cookie.split(";")}
        amina.post("/logout", data={"csrf": csrf(amina.get("/").text)})
        with browser(console) as stranger:
            guess = {"name": "amina", "password": "wrong", "csrf": csrf(stranger.get("/login").text)}
            assert [stranger.post("/login", data=guess).status_code for _ in range(6)][-1] == 429
            assert stranger.post("/login", data={**guess, "password": PASSWORD}).status_code == 429
        form["csrf"] = csrf(amina.get("/login").text)
        assert amina.post("/login", data=form).status_code == 303
    console.stop()  # other tests log in as amina from browsers that are new: a restart forgets the guesses
    console.start()


def test_a_hook_of_more_than_two_mebibytes_is_refused_with_and_without_its_length(console: ConsoleProcess) -> None:
    url = console.url + "/hooks/alertmanager"
    large = b'{"alerts": [' + b" " * (2 * 1024 * 1024) + b"]}"
    told = httpx.post(url, content=large, headers=BEARER)
    assert (told.status_code, told.json()) == (413, {"error": "the body is larger than 2048 KiB"})
    pieces = (large[at : at + 65536] for at in range(0, len(large), 65536))
    untold = httpx.post(url, content=pieces, headers=BEARER)
    assert (untold.status_code, untold.json()) == (413, {"error": "the body is larger than 2048 KiB"})
    assert httpx.post(url, content=large[: 1024 * 1024] + b"]}", headers=BEARER).status_code == 204
    form = iter([b"name=" + b"x" * 40_000, b"x" * 40_000])
    assert httpx.post(console.url + "/login", content=form, headers={**FORM, **HTML}).status_code == 413


def test_foreign_hosts_and_origins_are_refused(console: ConsoleProcess) -> None:
    assert httpx.get(console.url + "/", headers={"Host": "evil.example"}).status_code == 421
    assert httpx.post(console.url + "/theme", headers={"Origin": "https://evil.example"}).status_code == 403


def test_large_bodies_are_refused(console: ConsoleProcess) -> None:
    assert httpx.post(console.url + "/login", content=b"x" * 100_000).status_code == 413


def test_the_api_describes_itself(console: ConsoleProcess) -> None:
    paths = httpx.get(console.url + "/api/openapi.json").json()["paths"]
    assert {"/api/alerts", "/api/sites", "/api/sites/{site_id}", "/api/health", "/hooks/alertmanager"} <= paths.keys()


def test_unknown_things_and_bad_filters_are_sentences(console: ConsoleProcess) -> None:
    assert "error" in httpx.get(console.url + "/api/sites/atlantis", headers=BEARER).json()
    assert httpx.get(console.url + "/api/alerts?tier=9", headers=BEARER).status_code == 422
    page = httpx.get(console.url + "/sites/atlantis", headers=HTML)
    assert (page.status_code, "No such site" in page.text) == (404, True)


def test_a_second_console_and_bad_input_end_with_one_sentence(console: ConsoleProcess) -> None:
    def run(*change: str) -> tuple[int, str]:
        argv = list(console.argv)
        for option, value in zip(change[::2], change[1::2], strict=True):
            argv[argv.index(option) + 1] = value
        found = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert "Traceback" not in found.stderr
        return found.returncode, found.stderr

    code, text = run()
    assert (code, "already runs" in text) == (4, True)
    elsewhere = str(console.folder / "other")
    code, text = run("--state-dir", elsewhere)
    assert (code, "cannot listen" in text) == (2, True)
    code, text = run("--state-dir", elsewhere, "--inventory", "/nowhere")
    assert code == 2
    code, text = run("--token-file", "/nowhere/token")
    assert (code, "--token-file" in text) == (2, True)
