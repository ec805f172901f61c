"""What plain `pulumi preview -s STACK` runs: the programme of the stack that the engine asks for.

The engine's language host runs this file inside its own event loop, with this folder first on the module path.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p and Path(p).resolve() != HERE)]
gc.disable()  # most of a large programme's time would be the collector looking at its live tasks

from infra.programme import run  # noqa: E402 - found only now

run()
