"""Array types that carry their shape and unit, and the hash that names an array's content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
AnyArray = NDArray[Any]


@dataclass(frozen=True)
class Shape:
    """Shape, unit and dtype of an array field of a document.

    A dimension is a number, or a name that must mean the same length in the whole document
    (``"n_atoms"``), or ``"..."`` once at the end for any further dimensions.
    """

    dims: tuple[int | str, ...]
    unit: str = "1"
    dtype: type[np.generic] = np.float64

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by :meth:`check`; serialise as nested lists."""
        return core_schema.no_info_plain_validator_function(
            self.check,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda array: array.tolist(), when_used="json"
            ),
        )

    def check(self, value: object) -> AnyArray:
        """Return ``value`` as a read-only array of this dtype, or raise ``ValueError``."""
        array = np.array(value, dtype=self.dtype, order="C")
        open_ended = self.dims[-1:] == ("...",)
        dims = self.dims[:-1] if open_ended else self.dims
        if array.ndim < len(dims) or (array.ndim > len(dims) and not open_ended):
            raise ValueError(f"shape {array.shape} where {self.text} is expected")
        for length, dim in zip(array.shape, dims, strict=False):
            if isinstance(dim, int) and length != dim:
                raise ValueError(f"shape {array.shape} where {self.text} is expected")
        array.setflags(write=False)
        return array

    @property
    def text(self) -> str:
        """The shape and unit as people write them."""
        return f"({', '.join(map(str, self.dims))}) {self.unit}"


Matrix = Annotated[FloatArray, Shape((3, 3))]
Lattice = Annotated[FloatArray, Shape((3, 3), "Å")]
IntMatrix = Annotated[IntArray, Shape((3, 3), dtype=np.int64)]
NamedArrays = Annotated[dict[str, AnyArray], "arrays by name; shape and unit in the owner's docstring"]


def array_hash(array: AnyArray) -> str:
    """Return the sha256 of an array's dtype, shape and bytes."""
    contiguous = np.ascontiguousarray(array)
    digest = hashlib.sha256(f"{contiguous.dtype.str}{contiguous.shape}".encode())
    digest.update(contiguous.data if contiguous.size else b"")
    return digest.hexdigest()


def bind_dimensions(shapes: Mapping[str, tuple[Shape, AnyArray]]) -> dict[str, int]:
    """Return the length of each named dimension.

    Raises
    ------
    ValueError
        When one name has two lengths; the message names both fields.
    """
    lengths: dict[str, tuple[int, str]] = {}
    for name, (shape, array) in shapes.items():
        for length, dim in zip(array.shape, shape.dims, strict=False):
            if not isinstance(dim, str) or dim == "...":
                continue
            known, first = lengths.setdefault(dim, (length, name))
            if known != length:
                raise ValueError(f"{name} has {dim} = {length} where {first} has {known}")
    return {dim: length for dim, (length, _) in lengths.items()}
