"""Runs one console: checks everything first, holds the state directory, listens, and stops within seconds."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

import inventory as inventory_api
from network_ops.noc.app import create_app
from network_ops.noc.console import Console, assemble
from network_ops.noc.errors import AlreadyRunningError, BadInputError
from network_ops.noc.settings import Settings, check_port_free
from network_ops.noc.store.accounts import give_back_memory
from network_ops.noc.store.database import open_database

_log = logging.getLogger("noc.console")


@contextmanager
def _held(settings: Settings) -> Iterator[None]:
    path = settings.state_dir / "console.lock"
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise BadInputError(
            f"the state directory {settings.state_dir} cannot be written ({error.strerror}): "
            "choose another with --state-dir"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise AlreadyRunningError(
                f"a console already runs on {settings.state_dir} (pid {file.read().strip() or 'unknown'}): "
                "stop it or choose another --state-dir"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class _Server(uvicorn.Server):
    """Ends the live streams as soon as it is told to stop; they would otherwise keep it waiting."""

    def __init__(self, config: uvicorn.Config, console: Console) -> None:
        super().__init__(config)
        self._console = console

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take SIGTERM or SIGINT."""
        super().handle_exit(sig, frame)
        self._console.live.close()


def serve(settings: Settings) -> None:
    """Run a console until SIGTERM or SIGINT.

    Raises:
        BadInputError: the inventory, the database, the state directory, the port or the npm packages will not do.
        AlreadyRunningError: another console holds the state directory.
    """
    with _held(settings):
        try:
            inventory = inventory_api.load(settings.inventory)
        except inventory_api.InventoryError as error:
            raise BadInputError(str(error)) from error
        check_port_free(settings.host, settings.port)
        database = open_database(settings.database)
        console = assemble(settings, inventory, database)
        config = uvicorn.Config(
            create_app(console), host=settings.host, port=settings.port, loop="uvloop", http="httptools", ws="none",
            access_log=False, log_level="warning", server_header=False, date_header=True, proxy_headers=False,
            timeout_graceful_shutdown=3, timeout_keep_alive=75,
        )  # fmt: skip
        _log.info("listening on http://%s:%s, %d sites", settings.host, settings.port, len(inventory.sites))
        # The inventory lives as long as the process: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        give_back_memory()
        # uvicorn raises the signal again after a clean stop; being told to stop is no failure.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        _Server(config, console).run()
