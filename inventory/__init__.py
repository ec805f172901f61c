"""What exists: the tables of the wide area network and everything that follows from them.

Turns a folder of tables into one frozen `Inventory`; refuses tables with any fault. Imports nothing of the rest.
"""

from inventory import views
from inventory.errors import InventoryError, Problem, QueryError
from inventory.loader import examine, load, packaged_tables
from inventory.models import (
    Application,
    BackboneLink,
    Carrier,
    Circuit,
    CircuitKind,
    CloudEdge,
    Desk,
    Device,
    Hub,
    Interface,
    Inventory,
    Machine,
    Region,
    Role,
    Session,
    Site,
    Sla,
)
from inventory.ports import circuits_on, interfaces, router_of, routers_of, sessions_on
from inventory.selectors import restrict, select
from inventory.sessions import home_session, sessions_of

__all__ = [
    "Application",
    "BackboneLink",
    "Carrier",
    "Circuit",
    "CircuitKind",
    "CloudEdge",
    "Desk",
    "Device",
    "Hub",
    "Interface",
    "Inventory",
    "InventoryError",
    "Machine",
    "Problem",
    "QueryError",
    "Region",
    "Role",
    "Session",
    "Site",
    "Sla",
    "circuits_on",
    "examine",
    "home_session",
    "interfaces",
    "load",
    "packaged_tables",
    "restrict",
    "router_of",
    "routers_of",
    "select",
    "sessions_of",
    "sessions_on",
    "views",
]
