"""The pages in a real browser: what is drawn, what the keys do, that the policy refuses nothing, that all fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from noc_rig import PASSWORD, ConsoleProcess, Rig, wait_until
from playwright.sync_api import Browser, Page, expect, sync_playwright

from inventory.models import Inventory

pytestmark = pytest.mark.browser

_ARGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")  # not longer: Playwright runs a loop in this thread, which other tests need for theirs
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(_ARGS))
        yield found
        found.close()


@pytest.fixture
def page(chromium: Browser, console: ConsoleProcess) -> Iterator[Page]:
    """A fresh page that fails the test if the browser complained about anything."""
    context = chromium.new_context(base_url=console.url, viewport={"width": 1440, "height": 900})
    found = context.new_page()
    complaints: list[str] = []
    found.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    found.on("pageerror", lambda error: complaints.append(str(error)))
    yield found
    context.close()
    # Connections refused while a test has the console stopped are not the page's fault.
    assert [text for text in complaints if "ERR_CONNECTION" not in text and "ERR_INCOMPLETE" not in text] == []


@pytest.fixture(scope="session")
def troubled(rig: Rig, console: ConsoleProcess, tables: Inventory) -> Iterator[list[str]]:
    """Three sites with an open alert."""
    sites = list(tables.sites.values())[50:53]
    for site in sites:
        labels = {"scope": "site", "site": site.id, "region": site.region, "tier": str(site.tier)}
        rig.alert("SiteDown", f"{site.name} is down", **labels)
    yield [site.id for site in sites]
    for site in sites:
        labels = {"scope": "site", "site": site.id, "region": site.region, "tier": str(site.tier)}
        rig.resolve("SiteDown", **labels)


def test_the_map_shows_every_site_and_follows_a_failure_live(
    page: Page, rig: Rig, tables: Inventory, troubled: list[str]
) -> None:
    page.goto("/")
    expect(page.locator("#live")).to_have_text("LIVE", timeout=10_000)
    assert page.locator("#map .sites a").count() == len(tables.sites)
    assert page.locator("#map .hub").count() == len(tables.hubs)
    victim = list(tables.sites)[60]
    rig.measurements.down.add(victim)
    mark = page.locator(f"#sites-down #s-{victim}")
    expect(mark).to_have_count(1, timeout=15_000)
    expect(mark).to_have_attribute("aria-label", f"{tables.sites[victim].name}, {tables.sites[victim].country}: DOWN")
    mark.focus()
    expect(page.locator("#tip")).to_contain_text("DOWN")
    rig.measurements.down.discard(victim)
    expect(page.locator(f"#sites-up #s-{victim}")).to_have_count(1, timeout=15_000)


def test_an_alert_is_taken_with_the_keyboard_alone(page: Page, troubled: list[str]) -> None:
    page.goto("/login")
    page.fill("[name=name]", "amina")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    page.goto("/alerts?severity=page&acknowledged=no")
    row = page.locator(f"tr:has(a[href='/sites/{troubled[1]}'])")
    expect(row).to_have_count(1, timeout=10_000)
    for _ in range(30):
        page.keyboard.press("j")
        if "selected" in (row.get_attribute("class") or ""):
            break
    page.keyboard.press("a")
    expect(page.locator("#ack textarea")).to_be_focused(timeout=5_000)
    expect(page.locator("#ack .hint")).to_be_visible()
    page.keyboard.type("on it, by keyboard")
    page.keyboard.press("Control+Enter")
    expect(row).to_have_count(0, timeout=10_000)
    page.goto("/alerts?acknowledged=yes")
    expect(row).to_contain_text("on it, by keyboard")
    page.keyboard.press("/")
    expect(page.locator("#filter-text")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts/*")
    page.fill("textarea[name=comment]", "still on it")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#acknowledge")).to_contain_text("still on it", timeout=5_000)


def test_help_opens_over_the_list_and_leaves_it_as_it_was(page: Page, troubled: list[str]) -> None:
    page.goto("/alerts")
    expect(page.locator("table.alerts tbody tr").first).to_be_visible(timeout=10_000)
    page.keyboard.press("j")
    expect(page.locator("tr.selected")).to_have_count(1)
    help_text = page.locator("dialog#help")
    for _ in range(2):  # the second time from what is there already
        page.keyboard.press("?")
        expect(help_text).to_be_visible(timeout=5_000)
        expect(help_text).to_contain_text("next, previous alert")
        assert page.evaluate(_CONTRAST) == []
        chosen = page.locator("tr.selected").get_attribute("id")
        page.keyboard.press("j")
        assert page.locator("tr.selected").get_attribute("id") == chosen
        page.keyboard.press("Escape")
        expect(help_text).to_be_hidden()
    assert page.url.endswith("/alerts")
    expect(page.locator("tr.selected")).to_have_count(1)
    page.goto("/help")
    expect(page.locator("h1")).to_have_text("Keys and shapes")


def _top(page: Page, what: str) -> float:
    box = page.locator(what).first.bounding_box()
    assert box is not None, f"{what} is not drawn"
    return box["y"]


def test_on_a_phone_alerts_come_before_the_map_and_say_what_to_do(page: Page, troubled: list[str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    expect(page.locator("#panel .card").first).to_be_visible(timeout=10_000)
    assert _top(page, "#counts") < _top(page, "#panel .card") < _top(page, "#map") < _top(page, "#regions")
    assert _top(page, "#panel .card") < 400
    expect(page.locator("#panel .card-do").first).to_contain_text("Call the carrier")
    assert page.locator("#panel .card-do a").first.get_attribute("href") == "/runbooks/SiteDown"
    page.set_viewport_size({"width": 1440, "height": 900})
    assert _top(page, "#map") < 300, "a wide screen shows both at once"
    expect(page.locator("#panel .card-do").first).to_be_hidden()


def test_on_a_phone_the_filter_is_folded_and_the_alerts_fit(page: Page, troubled: list[str]) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/alerts?severity=page")
    fold = page.locator("details.fold")
    expect(page.locator("#filter-text")).to_be_hidden()
    expect(fold.locator("summary")).to_have_text("Filter: severity page")
    first = page.locator("table.alerts tbody tr").first
    expect(first).to_be_visible(timeout=10_000)
    assert _top(page, "table.alerts tbody tr") < 400
    expect(first).to_contain_text("Call the carrier")
    expect(first.get_by_role("link", name="Runbook")).to_be_visible()
    fold.locator("summary").click()
    expect(page.locator("#filter-text")).to_be_visible()
    fold.locator("summary").click()
    page.keyboard.press("/")
    expect(page.locator("#filter-text")).to_be_focused()
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.locator("#filter-text")).to_be_visible()
    expect(fold.locator("summary")).to_be_hidden()


def test_the_wallboard_shows_what_fits_and_counts_the_rest(page: Page, troubled: list[str]) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/wallboard")
    cards = page.locator(".wall-list li")
    expect(cards.first).to_be_visible(timeout=10_000)
    page.evaluate("""() => {
      const list = document.querySelector(".wall-list");
      while (list.children.length < 30) list.append(list.firstElementChild.cloneNode(true));
      dispatchEvent(new Event("resize"));
    }""")
    shown = page.locator(".wall-list li:visible").count()
    more = page.locator(".wall-alerts .more")
    assert 3 < shown < 30
    expect(more).to_have_text(f"and {30 - shown} more")
    box = more.bounding_box()
    assert box is not None
    assert 800 < box["y"] + box["height"] <= 900


def test_a_lost_stream_is_said_and_mends_itself(page: Page, console: ConsoleProcess) -> None:
    page.goto("/wallboard")
    expect(page.locator("#live")).to_have_text("LIVE", timeout=10_000)
    console.stop()
    expect(page.locator("#live")).to_contain_text("STALE since", timeout=20_000)
    assert page.locator("#live").inner_text().endswith("UTC")
    console.start()
    expect(page.locator("#live")).to_have_text("LIVE", timeout=20_000)


# What sticks out of the window without making it scroll, because something clips it.
_CUT_OFF = """() => [...document.querySelectorAll("main span, main b, main a, main td, main p, header *")]
  .filter((n) => !n.closest("svg, .quiet, .skip, [hidden], dialog") && n.offsetParent)
  .filter((n) => n.getBoundingClientRect().right > innerWidth + 1).map((n) => n.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_nothing_is_wider_than_the_screen(
    page: Page, tables: Inventory, troubled: list[str], width: int, scheme: Any
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    for path in ("/", "/wallboard", "/alerts", "/sites", f"/sites/{troubled[0]}", "/login", "/help", "/runbooks"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate(_CUT_OFF) == [], path
        assert page.locator("h1").count() == 1, path


def test_the_chosen_colours_stay(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto("/alerts?severity=page")
    page.click("button[value=light]")
    wait_until(lambda: page.url.endswith("/alerts?severity=page"), 5, "coming back")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    page.goto("/sites")
    assert page.locator("html").get_attribute("data-theme") == "light"


_CONTRAST = """() => {
  const linear = (v) => (v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const rgba = (text) => { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const ground = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const colour = rgba(getComputedStyle(n).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const bad = [];
  for (const node of document.querySelectorAll("main *, header *, #health *, dialog[open] *")) {
    if (![...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim())) continue;
    if (node.closest("svg, .quiet, .word, [hidden], dialog:not([open])") || !node.offsetParent) continue;
    const [a, b] = [light(rgba(getComputedStyle(node).color)), light(ground(node))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push(`${node.tagName}.${node.className} ${node.textContent.trim()} ${ratio.toFixed(2)}`);
  }
  return [...new Set(bad)];
}"""


def test_the_measure_of_contrast_finds_text_that_is_too_faint(page: Page) -> None:
    page.goto("/help")
    page.evaluate("document.querySelector('h1').style.color = '#777'")
    page.evaluate("document.querySelector('main').style.backgroundColor = '#888'")
    assert any(text.startswith("H1") for text in page.evaluate(_CONTRAST))


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_all_text_has_the_contrast_of_wcag_aa(page: Page, troubled: list[str], scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    for path in ("/", "/wallboard", "/alerts", "/sites?state=degraded", f"/sites/{troubled[0]}", "/login", "/help"):
        page.goto(path)
        assert page.evaluate(_CONTRAST) == [], path
