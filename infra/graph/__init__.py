"""Recorded deployments: what each stack's programme would create, without an engine and without Azure."""

from infra.graph.model import UNKNOWN, Graph, Json, Node

__all__ = ["UNKNOWN", "Graph", "Json", "Node"]
