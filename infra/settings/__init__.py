"""Typed configuration of every layer: one frozen model a layer (`infra.settings.<kind>.Settings`), loaded by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from infra.core.stacks import Kind
from infra.settings.base import Common, parse

__all__ = ["Common", "model_of", "parse", "settings_of"]


def model_of(kind: Kind) -> type[Common]:
    """The model of a layer's configuration."""
    model: type[Common] = importlib.import_module(f"infra.settings.{kind}").Settings
    return model


def settings_of(kind: Kind, raw: Mapping[str, str], stack: str) -> Common:
    """The validated settings of a stack.

    Raises:
        InfraError: with every wrong, unknown or missing key.
    """
    return parse(model_of(kind), raw, stack)
