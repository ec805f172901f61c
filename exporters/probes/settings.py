"""Settings of the prober: turns its YAML file into frozen values; refuses unknown keys and senseless numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exporters.common.errors import BadInput


class Module(BaseModel):
    """A module of `/probe`: which prober answers it and how long it may take at most."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    prober: Literal["icmp", "udp", "tcp"]
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0


class StaticGroup(BaseModel):
    """Targets written in the file itself, in the form of Prometheus http_sd."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    targets: tuple[str, ...]
    labels: dict[str, str] = {}


class Settings(BaseModel):
    """How often what is probed.

    Args:
        session_interval_s: seconds between the probes of one session.
        device_interval_s: seconds between the probes of one device.
        packets_per_second: upper limit of all sending, re-probes and start-up sweep included.
        modules: modules of `/probe`, by name.
        targets: fixed targets, watched beside those of `--targets`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    session_interval_s: Annotated[float, Field(ge=0.1, le=300)] = 5.0
    device_interval_s: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    packets_per_second: Annotated[float, Field(ge=10, le=20000)] = 1400.0
    modules: dict[str, Module] = {
        "icmp": Module(prober="icmp"),
        "udp": Module(prober="udp"),
        "tcp": Module(prober="tcp"),
        "tcp_connect": Module(prober="tcp"),
    }
    targets: tuple[StaticGroup, ...] = ()


def load(path: Path | None) -> Settings:
    """Read the file; without one, the defaults hold.

    Raises:
        BadInput: unreadable, not YAML, an unknown key or a value out of range; the message names file and key.
    """
    if path is None:
        return Settings()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Settings.model_validate(document or {})
    except OSError as error:
        raise BadInput(f"--config {path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"--config {path}: is not YAML in UTF-8: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "document"
        raise BadInput(f"--config {path}: {where}: {problem['msg']}; see exporters/probes/README.md") from error
