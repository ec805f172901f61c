"""Runs a programme under the engine without what costs more than its work.

Three things of the Python SDK (3.272) grow faster than a stack does: the garbage collector looks at every live task
again and again; each resource sends about seven debug messages, each as a call of its own; and the SDK's wait for the
end goes through all open tasks each time that one of them ends. A programme of 300 resources takes less than half the
time without them (docs/adr/0006). Nothing global is changed: settings are those of one run.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

from pulumi.runtime import settings
from pulumi.runtime.proto import engine_pb2


def undisturbed(programme: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """The programme as the engine should run it. Whoever runs it turns the collector on again afterwards."""

    async def run() -> None:
        gc.collect()
        gc.disable()
        if settings.SETTINGS.engine is not None:
            settings.SETTINGS.engine = _WithoutDebug(settings.SETTINGS.engine)
        programme()
        await _settled()

    run.__name__ = getattr(programme, "__name__", "run")
    return run


async def _settled() -> None:
    """Wait for everything that the programme has started, all at once; failures are left for the SDK to report."""
    manager = settings.SETTINGS.rpc_manager
    while True:
        with settings.SETTINGS.lock:
            tasks = [task for task in settings.SETTINGS.outputs if not task.done()]
        tasks += [call for call in manager.rpcs if not call.done()]
        if not tasks:
            return
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if manager.unhandled_exception or any(task.cancelled() or task.exception() for task in done):
            return


class _WithoutDebug:
    """The engine's service, less debug messages."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def Log(self, request: Any) -> Any:  # noqa: N802 - the SDK's name
        """Pass on what is not for debugging."""
        return None if request.severity == engine_pb2.DEBUG else self._engine.Log(request)
