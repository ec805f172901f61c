"""What day it is: price tables and exemptions end, so that a test or a repeated check must be able to say which."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

from infra.core.errors import InfraError

VARIABLE = "WAN_NOC_TODAY"


def today() -> date:
    """The day (UTC), or the one in the environment variable WAN_NOC_TODAY (`2026-11-21`).

    Raises:
        InfraError: the variable holds no date.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(given)
    except ValueError as error:
        raise InfraError(f"{VARIABLE}={given!r} is no date; write it as 2026-11-21") from error
