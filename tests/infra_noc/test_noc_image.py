"""The image's build file, without a builder: what it copies exists, what it pins is complete, who runs is nobody."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from infra.noc.manifests import HERE
from infra.noc.runtime_lock import LockError, blocks, normal, runtime

ROOT = Path(__file__).parents[2]
TEXT = (HERE / "Containerfile").read_text()
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BUILD = ("hatchling", "editables")


def steps() -> list[tuple[str, str]]:
    """Instruction and its text, with continued lines joined and comments left out."""
    text = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    joined = text.replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def test_every_source_exists_and_is_let_in() -> None:
    allowed = {line[1:] for line in (HERE / "Containerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = [text.split()[:-1] for word, text in steps() if word == "COPY" and "--from" not in text]
    sources = [s for words in copied for s in words]
    assert len(sources) >= 12
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, source


def test_each_stage_that_is_copied_from_exists() -> None:
    stages = {m[1] for _, text in steps() if (m := re.search(r" AS (\w+)$", text))}
    used = {m[1] for _, text in steps() if (m := re.search(r"--from=(\w+)", text))}
    assert used == stages == {"python", "browser"}


def test_the_base_is_given_from_outside_and_never_the_newest() -> None:
    words = [text for word, text in steps() if word == "FROM"]
    assert len(words) == 3
    assert all(w.startswith("${BASE_IMAGE}") for w in words)
    default = next(text for word, text in steps() if word == "ARG").partition("=")[2]
    assert ":" in default
    assert not default.endswith(":latest")


def test_it_runs_as_a_user_without_name_or_right() -> None:
    order = [word for word, _ in steps()]
    user = next(text for word, text in reversed(steps()) if word == "USER")
    assert re.fullmatch(r"\d{5}:\d{5}", user)
    assert order.index("ENTRYPOINT") > len(order) - 1 - order[::-1].index("USER")
    assert "sudo" not in TEXT
    assert "chmod 777" not in TEXT


def test_packages_come_without_recommendations_and_leave_no_lists_behind() -> None:
    installs = [text for word, text in steps() if word == "RUN" and "apt-get install" in text]
    assert len(installs) == 3
    for text in installs:
        assert "--no-install-recommends" in text
        assert "apt-get update" in text
        assert "rm -rf /var/lib/apt/lists/*" in text
    assert not [t for w, t in steps() if w == "ADD"]
    assert not re.search(r"curl|wget|http[s]?://", TEXT)


def test_pip_takes_only_what_the_hashes_say() -> None:
    for word, text in steps():
        if word == "RUN" and "pip install" in text:
            assert "--require-hashes" in text or "--no-deps" in text
            assert "--no-cache-dir" in text


def test_programs_that_the_noc_starts_are_installed() -> None:
    last = [text for word, text in steps() if word == "RUN"][-1]
    for package in ("prometheus", "prometheus-alertmanager", "nginx-light", "python3"):
        assert package in last.split()


def test_health_is_what_the_parent_writes_and_where() -> None:
    command = next(text for word, text in steps() if word == "CMD")
    health = next(text for word, text in steps() if word == "HEALTHCHECK")
    state = re.search(r'"--state-dir", "([^"]+)"', command)
    assert state
    assert f"{state[1]}/run.json" in health


def test_the_runtime_lock_has_all_that_the_noc_needs_and_no_tools() -> None:
    wanted = runtime(LOCK, [*PROJECT["dependencies"], *BUILD])
    found = blocks(wanted)
    for name, text in found.items():
        assert "--hash=sha256:" in text, name
    for root in PROJECT["dependencies"]:
        assert normal(Requirement(root).name) in found
    tools = {"mypy", "ruff", "pytest", "playwright", "hypothesis", "pulumi", "pulumi-azure-native", "uv"}
    assert not tools & set(found)
    assert len(found) < len(blocks(LOCK))


def test_no_dependency_of_a_dependency_is_missing_from_it() -> None:
    """By the metadata of what is installed here, which is the same lock: pip would refuse an incomplete one."""
    found = blocks(runtime(LOCK, [*PROJECT["dependencies"], *BUILD]))
    missing = {}
    for name in found:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        for text in needs:
            need = Requirement(text)
            if (need.marker is None or need.marker.evaluate({"extra": ""})) and normal(need.name) not in found:
                missing[name] = need.name
    assert missing == {}


def test_a_root_that_the_lock_lacks_is_refused() -> None:
    with pytest.raises(LockError, match="lacks no-such-thing"):
        runtime(LOCK, ["no-such-thing>=1"])


def test_markers_and_extras_of_roots_are_no_part_of_their_names() -> None:
    lock = "a==1 ; python_version > '3' \\\n    --hash=sha256:1\n    # via wan-noc (pyproject.toml)\n"
    lock += "b[x]==2 \\\n    --hash=sha256:2\n    # via\n    #   a\n    #   wan-noc (pyproject.toml)\n"
    lock += "c==3 \\\n    --hash=sha256:3\n    # via b\nd==4 \\\n    --hash=sha256:4\n    # via other\n"
    assert list(blocks(runtime(lock, ["A[z]>=1; sys_platform == 'linux'"]))) == ["a", "b", "c"]
    assert Marker("python_version > '3'").evaluate()


def test_the_command_prints_the_lock() -> None:
    command = [
        sys.executable,
        str(HERE / "runtime_lock.py"),
        str(ROOT / "requirements.lock"),
        str(ROOT / "pyproject.toml"),
    ]
    done = subprocess.run([*command, "--also", "hatchling"], capture_output=True, text=True, check=True)
    assert "hatchling==" in done.stdout
    assert subprocess.run([*command, "--also", "nothing-at-all"], capture_output=True, check=False).returncode == 2
