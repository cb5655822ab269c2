"""The rules of the JSON Schema that a document breaks, one record each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import ValidationError

from pipeline.manifest.document import Path
from pipeline.manifest.schema import Schema, validator


@dataclass(frozen=True)
class Fault:
    """One rule of the schema that a value breaks.

    Attributes:
        keyword: The rule, such as `maxLength`, and `rule` what the schema sets it to.
        instance: The value, or the key when `is_key`.
        schema: The part of the schema that has the rule.
    """

    keyword: str
    rule: Any
    instance: Any
    schema: Schema
    path: Path
    is_key: bool


def faults(value: Any) -> Iterator[Fault]:
    """Every rule that a value breaks, in no order."""
    return map(_fault, _flatten(validator().iter_errors(value)))


def _flatten(errors: Iterator[ValidationError]) -> Iterator[ValidationError]:
    """The errors, those of a `oneOf` replaced by the ones of the branch that was meant."""
    for error in errors:
        if error.validator != "oneOf":
            yield error
            continue
        branches: dict[int, list[ValidationError]] = {}
        for inner in error.context or []:
            branches.setdefault(int(inner.schema_path[0]), []).append(inner)
        meant = [
            branch
            for branch in branches.values()
            if not any(inner.validator == "type" and not inner.path for inner in branch)
        ]
        yield from meant[0] if meant else [error]


def _fault(error: ValidationError) -> Fault:
    path = tuple(error.absolute_path)
    is_key = "propertyNames" in error.absolute_schema_path
    return Fault(
        keyword=str(error.validator),
        rule=error.validator_value,
        instance=error.instance,
        schema=error.schema if isinstance(error.schema, dict) else {},
        path=(*path, str(error.instance)) if is_key else path,
        is_key=is_key,
    )
