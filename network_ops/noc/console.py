"""One console put together: the picture, what feeds it, what draws it; handed to the routes as one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment
from markupsafe import Markup

from inventory.models import Inventory
from network_ops.noc import worldmap
from network_ops.noc.alerts import AlertFilter
from network_ops.noc.atlas import Atlas
from network_ops.noc.charts import proportion_bar
from network_ops.noc.discovery import Discovery
from network_ops.noc.feeds import Feeds
from network_ops.noc.live import Live
from network_ops.noc.pages_kit import StaticFile, environment, load_static
from network_ops.noc.picture import Picture
from network_ops.noc.prometheus import Prometheus
from network_ops.noc.security import Doorkeeper
from network_ops.noc.settings import Settings
from network_ops.noc.site_view import SiteViews
from network_ops.noc.states import STATES, Tally
from network_ops.noc.store import acknowledgements
from network_ops.noc.store.database import Database
from network_ops.noc.throttle import Throttle

PANEL_ROWS, WALLBOARD_ROWS = 40, 24


@dataclass(frozen=True, slots=True)
class Console:
    """The parts of one console."""

    settings: Settings
    inventory: Inventory
    database: Database
    picture: Picture
    live: Live
    feeds: Feeds
    prometheus: Prometheus
    discovery: Discovery
    site_views: SiteViews
    doorkeeper: Doorkeeper
    throttle: Throttle
    atlas: Atlas
    static: dict[str, StaticFile]
    templates: Environment


def tally_bar(tally: Tally) -> Markup:
    """The bar of a tally, worst first."""
    return proportion_bar([(state, tally.counts[state]) for state in STATES])


def assemble(settings: Settings, inventory: Inventory, database: Database) -> Console:
    """Put a console together; nothing runs yet.

    Raises:
        BadInputError: an npm package is missing.
    """
    live = Live()
    picture = Picture(settings, inventory, acknowledgements.load_open(database), live, datetime.now(UTC))
    prometheus = Prometheus(settings.prometheus)
    discovery = Discovery(inventory, settings.twin is not None)
    static = load_static(settings.packages, {"world.svg": worldmap.outline_svg(settings.packages)})
    templates = environment(static)
    templates.globals["bar"] = tally_bar
    console = Console(
        settings=settings,
        inventory=inventory,
        database=database,
        picture=picture,
        live=live,
        feeds=Feeds(picture, database, prometheus, discovery),
        prometheus=prometheus,
        discovery=discovery,
        site_views=SiteViews(inventory, prometheus),
        doorkeeper=Doorkeeper(settings, database),
        throttle=Throttle(),
        atlas=Atlas(inventory),
        static=static,
        templates=templates,
    )
    _topics(console)
    return console


def _topics(console: Console) -> None:
    picture, live = console.picture, console.live

    def draw(template: str, **values: object) -> str:
        return console.templates.get_template(template).render(**values)

    live.topic("health", lambda: draw("_health.html", health=picture.health))
    live.topic("counts", lambda: counts(console, ""))
    live.topic("regions", lambda: draw("_regions.html", regions=picture.regions(), chosen=""))
    live.topic("panel", lambda: panel(console, ""))
    live.topic(
        "wallboard",
        lambda: draw(
            "_wallboard.html",
            overview=picture.overview(),
            regions=picture.regions(),
            alerts=picture.top(WALLBOARD_ROWS),
            more=max(0, len(picture.open) - WALLBOARD_ROWS),
            suppressed=len(picture.suppressed),
            hubs=console.inventory.hubs,
            hub_states=picture.hubs,
            hub_ratios=picture.reading.hub_sessions,
            banner=picture.health.banner,
            heard=picture.heard.alerts is not None,
            blind=picture.health.blind,
        ),
    )
    # The list itself depends on each reader's filter: he is told that it changed and fetches his own.
    live.topic("alerts", lambda: str(len(picture.open)))
    live.diffs(picture.changes)


def panel(console: Console, region: str) -> str:
    """The open alerts beside the map, of one region or of all."""
    picture = console.picture
    rows = picture.select(AlertFilter(region=region))
    return console.templates.get_template("_panel.html").render(
        alerts=rows[:PANEL_ROWS],
        more=max(0, len(rows) - PANEL_ROWS),
        suppressed=len(picture.suppressed),
        heard=picture.heard.alerts is not None,
        region=region,
        blind=picture.health.blind,
    )


def counts(console: Console, region: str) -> str:
    """The counts of sites over the map, of one region or of all, and the hubs in words."""
    picture = console.picture
    return console.templates.get_template("_counts.html").render(
        overview=picture.overview(region),
        hubs=console.inventory.hubs,
        hub_states=picture.hubs.states,
        isolated=picture.isolated(),
    )
