"""`make bench`: a scrape beside snmp_exporter, our programmes beside the plain SDK, and the whole NOC at rest.

The steady state is short by default (STEADY=10m, SETTLE=4m in the environment change it); the figure of record is the
one of `make nightly`, kept with its date under docs/results/.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from network_ops.trial.figures import yardstick_cpu_s
from tests.bench import infra_graph, snmp_scrape

OUT = Path(__file__).parents[2] / "build" / "bench.json"


def steady_state() -> dict[str, object]:
    """CPU and memory of the whole NOC without faults, by `noc soak`; its exit code 3 is a result, not a failure."""
    command = [sys.executable, "-m", "network_ops.cli.main", "soak", "--json"]
    command += ["--for", os.environ.get("STEADY", "10m"), "--settle", os.environ.get("SETTLE", "4m")]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit("bench: the steady state could not be measured (see above)")
    report: dict[str, object] = json.loads(done.stdout)
    return report


def main() -> None:
    """Run all benchmarks, print and keep the result."""
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "yardstick_cpu_s": yardstick_cpu_s(),
        "snmp_scrape": snmp_scrape.measure(),
        "infra": infra_graph.measure(),
        "steady_state": steady_state(),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    print(f"kept in {OUT}", file=sys.stderr)


if __name__ == "__main__":
    main()
