"""Serves the policy pack to Pulumi's engine: prints a port and waits. Importing this module starts nothing.

Run under the engine itself in tests, with a one-line stand-in for the official command line's Python host [unverified:
that host, which is not part of the engine's module].
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Serve until the engine ends the process."""
    # the engine runs this folder as a script, with the folder and not the repository on the path
    here = Path(__file__).parent
    sys.path[:] = [str(here.parents[1]), *(p for p in sys.path if Path(p or ".").resolve() != here)]

    from pulumi_policy import PolicyPack

    from infra.policy.catalogue import PACK
    from infra.policy.pack import build

    PolicyPack(PACK, build())


if __name__ == "__main__":
    main()
