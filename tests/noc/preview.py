"""Run the console with a made-up bad night, to look at it; SIGTERM or Ctrl-C ends it.

`PYTHONPATH=tests/noc python tests/noc/preview.py FOLDER [PORT]`
"""

from __future__ import annotations

import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx
from noc_rig import TOKEN, ConsoleProcess, Rig, add_user, free_port

import inventory


def main() -> None:
    folder = Path(sys.argv[1])
    port = int(sys.argv[2]) if len(sys.argv) > 2 else free_port()
    (folder / "state").mkdir(parents=True)
    inv = inventory.load(inventory.packaged_tables())
    rig = Rig(folder, inv, f"http://127.0.0.1:{port}/hooks/alertmanager")
    night = rig.measurements
    sites = [s for s in inv.sites.values() if s.tier >= 3]
    two = [s for s in inv.sites.values() if len(inv.circuits_of[s.id]) > 1]
    shown = next(s for s in two if s.tier == 2)
    night.detailed = {shown.id}
    night.backfill(folder / "tsdb", folder / "history.txt", 62, 15)
    dark = sites[5:200:40]
    night.down = {s.id for s in dark}
    cut = [inv.circuits_of[s.id][0] for s in [shown, *two[10:160:18]]]
    night.cut = {c.id for c in cut}
    night.unmeasured = {s.id for s in sites[300:304]}
    rig.start("3s")
    console = ConsoleProcess(folder / "state", rig, inventory.packaged_tables(), port=port)
    add_user(folder / "state", "amina", "operator", "a long enough password")
    console.start()
    for n, s in enumerate(dark):
        place = {"scope": "site", "site": s.id, "region": s.region, "tier": str(s.tier)}
        rig.alert("SiteDown", f"{s.name} is down: no circuit works", ago=timedelta(minutes=3 + 17 * n), **place)
    for n, c in enumerate(cut):
        s = inv.sites[c.site]
        rig.alert(
            "CircuitDown", f"{s.name}: circuit {c.id} ({c.kind}) is down, the other carries", "warning",
            ago=timedelta(minutes=2 + 31 * n), scope="circuit", site=s.id, circuit=c.id, carrier=c.carrier,
        )  # fmt: skip
    carrier = cut[1].carrier
    rig.alert("CarrierOutage", f"{inv.carriers[carrier].name}: 7 of 31 circuits are down", ago=timedelta(minutes=4),
              scope="carrier", carrier=carrier)  # fmt: skip
    device = inv.devices_of[two[3].id][0]
    rig.alert("AgentSilent", f"{device.id} answers pings but not SNMP", "info", ago=timedelta(hours=26),
              scope="device", site=two[3].id, device=device.id)  # fmt: skip
    sys.stdout.write(f"{console.url}/sites/{shown.id}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            hook = {"alerts": [{"status": "firing", "labels": {"alertname": "Watchdog"}}]}
            httpx.post(console.url + "/hooks/alertmanager", json=hook, headers={"Authorization": f"Bearer {TOKEN}"})
            time.sleep(30)
    except KeyboardInterrupt:
        pass
    finally:
        console.stop()
        rig.stop()


if __name__ == "__main__":
    main()
