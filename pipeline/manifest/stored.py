"""A `Manifest` as JSON and back, for the snapshot that a run keeps in PostgreSQL."""

from typing import Any

from pydantic import TypeAdapter

from pipeline.manifest.model import Manifest

_ADAPTER = TypeAdapter(Manifest)


def to_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as values that `json` can write."""
    stored: dict[str, Any] = _ADAPTER.dump_python(manifest, mode="json")
    return stored


def from_json(stored: dict[str, Any]) -> Manifest:
    """The manifest that `to_json` stored, possibly in an earlier release.

    Raises:
        pydantic.ValidationError: when it is something else.
    """
    return _ADAPTER.validate_python(stored)
