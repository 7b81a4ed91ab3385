"""What every document is: frozen, versioned, validated, named by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from kappa_flow.arrays import AnyArray, Shape, array_hash, bind_dimensions

ARRAY_KEY = "$array"


class Part(BaseModel):
    """A frozen piece of a document: validated fields, arrays with shapes and units."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True
    )

    @model_validator(mode="after")
    def _dimensions_agree(self) -> Self:
        shapes = {
            name: (shape, value)
            for name, shape in _shapes(type(self)).items()
            if isinstance(value := getattr(self, name), np.ndarray)
        }
        bind_dimensions(shapes)
        return self


class Document(Part):
    """A result of a stage, stored whole and named by the sha256 of its content.

    Subclasses set ``kind`` (unique) and ``schema_version`` (raised when a field changes meaning).
    """

    kind: ClassVar[str]
    schema_version: ClassVar[int] = 1
    _kinds: ClassVar[dict[str, type[Document]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the class under its kind."""
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            Document._kinds[cls.kind] = cls

    def parts(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Split into a JSON body and its arrays by sha256.

        Returns
        -------
        body : dict
            JSON-safe; an array stands as ``{"$array": sha256, "shape": …, "dtype": …, "unit": …}``.
        arrays : dict of str to ndarray
        """
        arrays: dict[str, AnyArray] = {}
        body = _lift(self, arrays)
        return {"kind": self.kind, "schema_version": self.schema_version, **body}, arrays

    @staticmethod
    def from_parts(body: dict[str, Any], arrays: dict[str, AnyArray]) -> Document:
        """Rebuild what :meth:`parts` split.

        Raises
        ------
        ValueError
            For an unknown kind, another schema version, or arrays that do not fit.
        """
        fields = dict(body)
        kind, version = fields.pop("kind"), fields.pop("schema_version")
        model = Document._kinds.get(kind)
        if model is None or model.schema_version != version:
            raise ValueError(f"no document {kind!r} of schema version {version} in this kappa_flow")
        return model.model_validate(_lower(fields, arrays))

    @property
    def content_hash(self) -> str:
        """Sha256 of the canonical JSON body, which holds the sha256 of every array."""
        return body_hash(self.parts()[0])


def body_hash(body: object) -> str:
    """Return the sha256 of an object's canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def array_references(body: object) -> Iterator[str]:
    """Yield the sha256 of every array a JSON body refers to."""
    if isinstance(body, dict):
        if ARRAY_KEY in body:
            yield body[ARRAY_KEY]
            return
        body = list(body.values())
    if isinstance(body, list):
        for item in body:
            yield from array_references(item)


def _shapes(model: type[BaseModel]) -> dict[str, Shape]:
    return {
        name: shape
        for name, field in model.model_fields.items()
        for shape in _find_shape(field.metadata, field.annotation)
    }


def _find_shape(metadata: list[Any], annotation: Any) -> Iterator[Shape]:
    yield from (item for item in metadata if isinstance(item, Shape))
    for argument in getattr(annotation, "__args__", ()):
        yield from _find_shape(list(getattr(argument, "__metadata__", ())), None)


def _lift(value: Any, arrays: dict[str, AnyArray], unit: str = "1") -> Any:
    if isinstance(value, np.ndarray):
        key = array_hash(value)
        arrays[key] = value
        return {ARRAY_KEY: key, "shape": list(value.shape), "dtype": value.dtype.str, "unit": unit}
    if isinstance(value, BaseModel):
        shapes = _shapes(type(value))
        return {
            name: _lift(getattr(value, name), arrays, shapes[name].unit if name in shapes else "1")
            for name in type(value).model_fields
        }
    if isinstance(value, dict):
        return {str(name): _lift(item, arrays) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_lift(item, arrays) for item in value]
    scalar = value.item() if isinstance(value, np.generic) else value
    return scalar if scalar is None or isinstance(scalar, (str, int, float, bool)) else str(scalar)


def _lower(value: Any, arrays: dict[str, AnyArray]) -> Any:
    if isinstance(value, dict):
        if ARRAY_KEY in value:
            return arrays[value[ARRAY_KEY]]
        return {name: _lower(item, arrays) for name, item in value.items()}
    if isinstance(value, list):
        return [_lower(item, arrays) for item in value]
    return value
