"""Takes the screenshots kept in docs/screenshots/: python tests/screenshots.py

Starts a NOC on the shipped 594 simulated sites, waits until there is some history, breaks a few things, and
photographs map, wallboard, alerts and a site's page at 1440 and 390 px, dark and light. Wants Debian's Chromium.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Literal

from playwright.async_api import async_playwright

import inventory
from network_ops.trial.subject import running_noc

OUT = Path(__file__).parents[1] / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
HISTORY_S = float(os.environ.get("HISTORY_S", "420"))  # long enough for the drawings to show something
FAULTS = (
    ("site-power", "ss-bor"),
    ("circuit-cut", "ke-nairobi.b"),
    ("circuit-degrade", "cd-goma.a"),
    ("carrier-outage", "leo-borealis"),
    ("site-power", "pk-islamabad"),
)
SITE = "ke-nairobi"
PAGES = {"map": "/", "wallboard": "/wallboard", "alerts": "/alerts", "site": f"/sites/{SITE}"}
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")


async def main() -> None:
    """Start, wait, break, photograph."""
    OUT.mkdir(parents=True, exist_ok=True)
    async with running_noc(inventory.packaged_tables(), quiet=True) as noc, async_playwright() as playwright:
        await asyncio.sleep(HISTORY_S)
        for kind, target in FAULTS:
            await noc.inject(kind, target)
        await asyncio.sleep(min(180.0, HISTORY_S))
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        for width, height in ((1440, 900), (390, 844)):
            for scheme in SCHEMES:
                size = {"width": width, "height": height}
                context = await browser.new_context(
                    base_url=str(noc.console.base_url), viewport=size, color_scheme=scheme
                )
                for name, path in PAGES.items():
                    page = await context.new_page()
                    await page.goto(path, wait_until="load")
                    await page.wait_for_timeout(1500)
                    target = OUT / f"{name}-{width}-{scheme}.png"
                    await page.screenshot(path=target, full_page=name in ("site", "alerts"))
                    print(target)
                    await page.close()
                await context.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
