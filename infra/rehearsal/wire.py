"""Values on the engine's wire (protobuf structs) as plain Python values and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

from infra.graph.model import Json

UNKNOWN = rpc.UNKNOWN  # stands for a value that only the deployment will know


def plain(message: struct_pb2.Struct) -> dict[str, Json]:
    """The struct as a dict; whole numbers become `int`, nulls are left out, `UNKNOWN` stays as it is."""
    return {key: _value(value) for key, value in message.fields.items() if value.WhichOneof("kind") != "null_value"}


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """The dict as a struct; None is left out."""
    message = struct_pb2.Struct()
    message.update({key: value for key, value in values.items() if value is not None})
    return message


def _value(value: struct_pb2.Value) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "struct_value":
        return plain(value.struct_value)
    if kind == "list_value":
        return [_value(v) for v in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None
