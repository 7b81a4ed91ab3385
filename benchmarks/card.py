"""The surrogate's forces on a CUDA card: right, how fast, and how far from what the card could do.

Run by hand on a machine with a card: ``python benchmarks/card.py [--cells 4000]``. Needs no data and no peers
(of kappa_flow's dependencies ase, numba, numpy, phonopy, pydantic, safetensors, scipy, spglib, torch): the
potential has the shape of silicon's default and random weights, which change no time. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ase.build import bulk

from kappa_flow.documents.structures import Structures
from kappa_flow.surrogate import Potential
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.descriptors.radial import RadialBasis
from kappa_flow.surrogate.descriptors.symmetry import SymmetryFunctions
from kappa_flow.surrogate.kernels import choose
from kappa_flow.surrogate.kernels.batches import most_centres
from kappa_flow.surrogate.kernels.choose import Kernel, kernel_for
from kappa_flow.surrogate.network import NetworkShape
from kappa_flow.surrogate.weights import Weights

TURNS = 5
PEAKS = {"H200": {"bytes": 4.8e12, "vector": 34e12, "tensor": 67e12}}
"""Bytes/s and FP64 FLOP/s (vector units; tensor cores) of NVIDIA's data sheet."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=4000, help="64-atom cells of silicon")
    parser.add_argument("--members", type=int, default=8)
    options = parser.parse_args()
    potential = example(options.members)
    print(json.dumps(measure(potential, silicon(options.cells)), indent=1))


def example(members: int) -> Potential:
    """Return a potential of the shape of silicon's default: 332 functions, 7 Å, one hidden layer."""
    generator = torch.Generator().manual_seed(7)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    functions = SymmetryFunctions((14,), RadialBasis.spread(8, 2.35, 7.0), 8)
    count, shape = functions.n_functions, NetworkShape(1, 32, (16,))
    weights = Weights(
        Compression(draw(1, count), draw(1, count, 32) / count),
        draw(members, 1, count) / count,
        shape.random(members, 1.0, generator),
        draw(members, 1),
    )
    return Potential(functions, shape, weights)


def silicon(cells: int) -> Structures:
    """Return randomly displaced 64-atom cells, 0.03 Å a component."""
    atoms = bulk("Si", cubic=True).repeat(2)
    moves = np.random.default_rng(1).normal(scale=0.03, size=(cells, len(atoms), 3))
    return Structures.same_atoms(atoms.cell.array, atoms.numbers.astype(np.int64), atoms.positions + moves)


def measure(potential: Potential, batch: Structures) -> dict[str, Any]:
    """Return differences from the CPU, atoms/s of both kernels, phases and fractions of the roof."""
    if not torch.cuda.is_available():
        return {"gpu": "none at hand"}
    name = torch.cuda.get_device_name()
    there, some = potential.on("cuda", 1.0), batch.geometry(range(4))
    here = potential.on("cpu", 1.0).predict(some).forces
    report: dict[str, Any] = {
        "gpu": name,
        "atoms": len(batch.numbers),
        "kernel": type(kernel_for(potential.functions, some, 1, "cuda")).__name__,
        "largest_relative_force_difference": float(
            np.abs(there.predict(some).forces - here).max() / np.abs(here).max()
        ),
        "plain_atoms_per_second": plain_rate(there, batch),
    }
    for label, members in (("mean", False), ("members", True)):
        report[f"{label}_atoms_per_second"] = rate(there, batch, members=members)
        models = potential.members if members else 1
        report[label] = phases(potential, batch, models, "cuda")
        roof = next((peaks for part, peaks in PEAKS.items() if part in name), None)
        report[label] |= {} if roof is None else fractions(report[label], roof)
    return report


def rate(potential: Potential, batch: Structures, *, members: bool) -> float:
    """Return atoms/s of `predict`, the fastest of some turns; the first, which compiles, is left out."""
    times = [seconds(lambda: potential.predict(batch, members=members)) for _ in range(TURNS + 1)]
    return len(batch.numbers) / min(times[1:])


def plain_rate(potential: Potential, batch: Structures) -> float:
    """Return the rate of the mean with plain torch."""
    asked = choose.can_compile
    choose.can_compile = lambda: False
    try:
        return rate(potential, batch, members=False)
    finally:
        choose.can_compile = asked


def phases(potential: Potential, batch: Structures, models: int, device: str) -> dict[str, float]:
    """Return seconds of the steps of one batch, FLOPs and bytes counted, and FLOP/s and bytes/s reached."""
    functions = potential.functions
    kernel = kernel_for(functions, batch, models, device)
    last = min(len(kernel.species), most_centres(functions, models, device, 1.0))
    slopes = torch.randn(last, models, functions.n_functions, dtype=torch.float64, device=device)
    found = {"atoms": float(last)}
    for _ in range(TURNS):
        steps = one_turn(kernel, last, slopes, device)
        found |= {key: min(value, found.get(key, np.inf)) for key, value in steps.items()}
    pairs = len(kernel.bins.search(0, last, torch.device(device))[0]) / last
    flops, moved = counted(functions, pairs, models)
    busy = max(found["values"] - found["neighbours"], 1e-12) + found["pull"]
    return found | {
        "pairs_per_atom": pairs,
        "flops_per_atom": flops,
        "bytes_per_atom": moved,
        "flops_per_second": last * flops / busy,
        "bytes_per_second": last * moved / busy,
    }


def one_turn(kernel: Kernel, last: int, slopes: torch.Tensor, device: str) -> dict[str, float]:
    """Return seconds of the search of neighbours, of the functions (with that search) and of the forces."""
    return {
        "neighbours": seconds(lambda: kernel.bins.search(0, last, torch.device(device))),
        "values": seconds(lambda: kernel.values(0, last)),
        "pull": seconds(lambda: kernel.pull(slopes)),
    }


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes until the card is done with it."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start


def counted(functions: SymmetryFunctions, pairs: float, models: int) -> tuple[float, float]:
    """Return FLOPs and bytes per atom that the method needs, however it is coded.

    With P pairs an atom, N radial functions of C channels, S = (l_max + 1)², Q pairs of channels, F functions
    and M models: FLOPs = P (2NS + 2N² + 6S) for moments, overlaps and recursion, 2QS for products,
    M [4QS + P (4NS + 2N² + 16S)] for adjoints and forces of pairs. Bytes, every array between two steps
    written once and read once, 8 each: P (11 + 9M) pairs, CS (3 + 2M) moments, F (2 + 2M) functions, slopes.
    """
    n, s = len(functions.basis.centers), (functions.l_max + 1) ** 2
    q, c, f = functions.channel_pairs.shape[1], functions.n_channels, functions.n_functions
    forward = pairs * (2 * n * s + 2 * n * n + 6 * s) + 2 * q * s
    back = models * (4 * q * s + pairs * (4 * n * s + 2 * n * n + 16 * s))
    moved = 8 * (pairs * (11 + 9 * models) + c * s * (3 + 2 * models) + f * (2 + 2 * models))
    return forward + back, moved


def fractions(found: dict[str, float], roof: dict[str, float]) -> dict[str, float]:
    """Return parts reached of the card's bandwidth, of its FP64 rates, and of the lower of the two limits.

    The roof is min(vector FLOP/s, FLOPs/bytes · bytes/s): the pair loops use no tensor cores.
    """
    intensity = found["flops_per_atom"] / found["bytes_per_atom"]
    return {
        "part_of_bandwidth": found["bytes_per_second"] / roof["bytes"],
        "part_of_vector": found["flops_per_second"] / roof["vector"],
        "part_of_tensor": found["flops_per_second"] / roof["tensor"],
        "part_of_roof": found["flops_per_second"] / min(roof["vector"], intensity * roof["bytes"]),
    }


if __name__ == "__main__":
    main()
