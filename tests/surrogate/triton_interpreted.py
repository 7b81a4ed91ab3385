"""Run by test_triton_kernel.py with TRITON_INTERPRET=1, which has to be set before Triton is imported.

Prints as JSON the largest differences between the three kernels, relative to the largest number of the
first; the interpreter takes milliseconds for each program, so cells are as small as they can be.
"""

import json
from dataclasses import replace

import numpy as np
import torch
from ase.build import bulk
from surrogate_cases import batch, random_potential, salt_functions
from test_kernels import FORMS, run

from kappa_flow.surrogate import potential as potential_module
from kappa_flow.surrogate.kernels import triton_kernel
from kappa_flow.surrogate.kernels.cpu import CompiledKernel
from kappa_flow.surrogate.kernels.plain import PlainKernel
from kappa_flow.surrogate.kernels.triton_kernel import TritonKernel


def cells():
    """Two atoms of rock salt and of a larger one, displaced, in skewed cells smaller than the cutoffs."""
    small, large = bulk("NaCl", "rocksalt", 5.6), bulk("NaCl", "rocksalt", 6.3)
    for seed, atoms in enumerate((small, large)):
        atoms.set_cell(atoms.cell.array + np.diag([0.2, 0.3], 1), scale_atoms=True)
        atoms.rattle(0.1, seed=seed)
    return batch([small, large])


def few_functions(cutoff=4.0, **form):
    return replace(salt_functions(cutoff, **form), l_max=3)


def interpreted(functions, structures, models, device="cpu"):
    return TritonKernel(functions, structures, models, device)


class Narrow(TritonKernel):
    """A device whose memory holds the pairs of 3 centres and raises what torch raises beyond."""

    def _add(self, pulls):
        if len(self._moments) > 3:
            raise torch.OutOfMemoryError
        super()._add(pulls)


def gaps(kernels, step, models=2):
    """Differences of functions, forces and virials from those of the first kernel."""
    first, *others = [run(kernel, models, step) for kernel in kernels]
    return [
        float(np.abs(a - b).max() / np.abs(a).max())
        for say in others
        for a, b in zip(first, say, strict=True)
    ]


def forms():
    for form in FORMS:
        functions, structures = few_functions(**form), cells()
        kernels = [
            PlainKernel(functions, structures, 2, "cpu"),
            CompiledKernel(functions, structures, 2),
            interpreted(functions, structures, 2),
        ]
        yield form["angular"], gaps(kernels, step=1000)


def in_blocks():
    """More neighbours of an element than a warp has lanes, 32 at a time, and one centre at a time."""
    functions, structures = few_functions(7.5, angular="none"), cells().geometry(range(1))
    triton_kernel.TILE, whole = 64, triton_kernel.TILE
    kernel = interpreted(functions, structures, 1)
    found = gaps([PlainKernel(functions, structures, 1, "cpu"), kernel], step=1, models=1)
    assert kernel._longest > triton_kernel.WARP
    triton_kernel.TILE = whole
    return found


def predictions():
    potential, structures = random_potential(few_functions(), members=2), cells()
    here = potential.predict(structures)
    for name, kernel in (("predict", interpreted), ("halved", Narrow)):
        potential_module.kernel_for = kernel
        there = potential.predict(structures)
        yield (
            name,
            [
                float(
                    np.abs(getattr(here, part) - getattr(there, part)).max()
                    / np.abs(getattr(here, part)).max()
                )
                for part in ("energies", "forces", "stresses", "member_forces")
            ],
        )


def main():
    torch.set_num_threads(1)
    print(json.dumps({**dict(forms()), "blocks": in_blocks(), **dict(predictions())}))


if __name__ == "__main__":
    main()
