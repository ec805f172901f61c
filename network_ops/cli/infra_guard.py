"""How every verb of `noc infra` ends: errors as sentences (or JSON) with the right exit code, never a stack trace.

Exit codes: 0 fine, 1 the engine failed, 2 wrong input, 3 a difference where none was expected, 4 refused by a guard.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_DIFFERENCE, EXIT_REFUSED = 1, 2, 3, 4
_EXTRA = ("pulumi", "pulumi_azure_native", "pulumi_policy")


def say(text: str) -> None:
    """A sentence for people, to standard error."""
    if text:
        print(text, file=sys.stderr)


def print_json(value: object) -> None:
    """Data, to standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Turn errors into their list of faults and an exit code; say how to install the extra where it is missing."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            from infra.core.errors import EngineError, InfraError, RefusedError
            from inventory import InventoryError

            try:
                function(*args, **kwargs)
            except (InfraError, InventoryError) as error:
                if kwargs.get("as_json"):
                    print_json({"error": error.summary, "problems": [asdict(p) for p in error.problems]})
                say(f"noc infra: {error}")
                refused = EXIT_REFUSED if isinstance(error, RefusedError) else EXIT_BAD_INPUT
                sys.exit(EXIT_FAILED if isinstance(error, EngineError) else refused)
            except BrokenPipeError:
                raise
            except OSError as error:
                say(f"noc infra: {error}")
                sys.exit(EXIT_BAD_INPUT)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _EXTRA:
                raise
            say(
                f"noc infra: {error.name} is not installed; install this project with its extra: pip install '.[infra]'"
            )
            sys.exit(EXIT_BAD_INPUT)

    return run
