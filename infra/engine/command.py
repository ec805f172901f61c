"""Runs the engine's command line as the Automation API does, in a session of its own.

Turns arguments into what the command wrote. An interrupt at the terminal does not reach the engine by itself: it is
told once (`infra.engine.interrupt`), and the command is waited for.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import IO

from pulumi import automation
from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

from infra.core.errors import EngineError
from infra.engine import interrupt

_OLDEST = VersionInfo(3, 200, 0)  # of the engine: what the Automation API of our SDK is tested with, and newer
OnOutput = Callable[[str], object]


class Command(automation.PulumiCommand):
    """The engine at a known path; its version is asked once a process, not once a stack."""

    def __init__(self, path: Path) -> None:
        self.command = str(path)
        try:
            said = subprocess.run([self.command, "version"], capture_output=True, text=True, check=True).stdout.strip()
            self.version = VersionInfo.parse(said.removeprefix("v"))
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise EngineError(f"{path} does not answer as pulumi does: {error}") from error
        if self.version < _OLDEST:
            raise EngineError(f"{path} is version {self.version}; {_OLDEST} or newer is needed")

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> CommandResult:
        """Run one command and wait for its end, interrupts or not.

        Args:
            args: the command's words (`["stack", "ls"]`).
            cwd: folder to run in.
            additional_env: on top of our own environment.
            on_output: hears each line of standard output.
            on_error: hears each line of standard error.

        Raises:
            CommandError: it ended with a fault.
            InterruptError: an interrupt came, and no outer block holds interrupts; or one had come before.
        """
        path = os.pathsep.join([str(Path(self.command).parent), os.environ.get("PATH", "")])
        environment = {**os.environ, "PATH": path, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        told: tuple[list[str], list[str]] = ([], [])
        with interrupt.held() as hold:
            hold.refuse()
            process = subprocess.Popen(
                [self.command, "--non-interactive", *(a for a in args if a != "--non-interactive")],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=environment,
                encoding="utf-8",
                start_new_session=True,
            )
            with process, hold.telling(process):
                pipes = zip((process.stdout, process.stderr), (on_output, on_error), told, strict=True)
                readers = [threading.Thread(target=_read, args=each) for each in pipes]
                for reader in readers:
                    reader.start()
                for reader in readers:
                    reader.join()
                process.wait()
            result = CommandResult("\n".join(told[0]), "\n".join(told[1]), process.returncode)
            if process.returncode:
                raise create_command_error(result)
        return result


@cache
def command(path: Path) -> Command:
    """The engine at a path."""
    return Command(path)


def _read(stream: IO[str], hear: OnOutput | None, into: list[str]) -> None:
    for line in stream:
        text = line.rstrip()
        if hear is not None:
            hear(text)
        into.append(text)
