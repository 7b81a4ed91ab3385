"""The linear model on real DFT cells: how well its spread tells its error, and what the LASSO leaves out.

Run by hand: ``python benchmarks/linear_model.py [--sets random thermal nacl] [--lasso]`` (about two minutes).
Cells 1–20 are learned, cells 41–60 judge; no validation split. The data is found by KAPPA_FLOW_DATA
or ../shared/data. These are the tables of docs/stages/4-surrogate.md.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from torch import Tensor

from kappa_flow import dataset
from kappa_flow.documents import Dataset
from kappa_flow.documents.sections import SurrogateSettings
from kappa_flow.surrogate.compression import Compression
from kappa_flow.surrogate.descriptors.symmetry import Functions
from kappa_flow.surrogate.fitting.committee import Equations, bootstrap_weights
from kappa_flow.surrogate.fitting.design import build_table, sample_values
from kappa_flow.surrogate.fitting.lasso import PATH, Lasso, Moments, path
from kappa_flow.surrogate.fitting.linear import Ridge, root_mean_squares
from kappa_flow.surrogate.fitting.posterior import Posterior
from kappa_flow.surrogate.fitting.training import functions_for

DATA = Path(os.environ.get("KAPPA_FLOW_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = {
    "random": "si_pbesol/train_rd_0.03A.extxyz.xz",
    "thermal": "si_pbesol/train_thermal300K.extxyz.xz",
    "nacl": "nacl_pbesol/train_rd_0.03A_222.extxyz.xz",
}
MEMBERS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), default=["random"])
    parser.add_argument("--lasso", action="store_true", help="the path of the LASSO, too")
    options = parser.parse_args()
    for name in options.sets:
        data = dataset.read([DATA / SETS[name]], 60)
        learned, held = data.subset(list(range(20))), data.subset(list(range(40, 60)))
        functions = functions_for(learned, SurrogateSettings(model="linear"))
        fitted, judged = equations(learned, functions), equations(held, functions)
        forces = judged.table.force_rows, judged.table.forces
        calibration(name, fitted, *forces)
        if options.lasso:
            sparsity(fitted, *forces)


def equations(data: Dataset, functions: Functions) -> Equations:
    elements = len(functions.elements)
    compression = Compression.principal(*sample_values(data, functions, 4), elements, 1, 0.1)
    ones = torch.ones(len(data), dtype=torch.float64)
    return Equations(build_table(data, functions, compression), ones, 0 * ones)


def calibration(name: str, fitted: Equations, rows: Tensor, truth: Tensor) -> None:
    """Print rms error, rms error over rms spread, and components within one spread."""
    target, ridge = fitted.target, Ridge.fit(fitted.linear(), fitted.target)
    posterior = Posterior.of(ridge, target)
    structures = int(fitted.owner.max()) + 1
    shares = bootstrap_weights(MEMBERS, structures, torch.Generator().manual_seed(1))[:, fitted.owner]
    found = {
        "bootstrap": ridge.coefficients(ridge.factor(shares), shares * target) @ ridge.back.T,
        "posterior": posterior.draws(MEMBERS, torch.Generator().manual_seed(1)),
    }
    for way, weights in found.items():
        said = weights @ rows.T
        _line(f"{name} {way}", said.mean(0) - truth, said.std(0))
    spread = ((rows @ posterior.covariance()) * rows).sum(1).clamp_min(0.0)
    error = rows @ (ridge.back @ posterior.mean) - truth
    _line(f"{name} posterior and residuals", error, (spread + posterior.variance).sqrt())


def _line(name: str, error: Tensor, spread: Tensor) -> None:
    size = float(error.square().mean().sqrt())
    ratio, inside = size / float(spread.square().mean().sqrt()), float((error.abs() < spread).double().mean())
    print(
        f"{name:34s} {1e3 * size:7.3f} meV/Å  error/spread {ratio:.2f}  within {100 * inside:.0f} %",
        flush=True,
    )


def sparsity(fitted: Equations, rows: Tensor, truth: Tensor) -> None:
    """Print held-out errors along the path, before and after the refit, and what cross-validation takes."""
    design, target = fitted.linear(), fitted.target
    size = root_mean_squares(design)
    moments = Moments.of(design / size, target)
    solutions = path(moments, [share * moments.largest for share in PATH])
    for share, weights in list(zip(PATH, solutions, strict=True))[7::8]:
        kept = torch.tensor(weights != 0.0)
        plain = rows @ (torch.tensor(weights) / size) - truth
        again = _refitted(fitted, kept, rows, truth)
        print(f"  λ {share:.0e}: {int(kept.sum())} functions, {_rms(plain):.3f}, refitted {again:.3f} meV/Å")
    found = Lasso.fit(design, target, fitted.owner)
    every = torch.ones_like(found.chosen)
    few, ridge = (_refitted(fitted, kept, rows, truth) for kept in (found.chosen, every))
    kept = int(found.chosen.sum())
    print(f"  chosen λ {found.strength:.1e}: {kept} of {len(every)}, {few:.3f} meV/Å; ridge {ridge:.3f}")


def _refitted(fitted: Equations, kept: Tensor, rows: Tensor, truth: Tensor) -> float:
    """Return the held-out error of a ridge fit of some columns, meV/Å."""
    ridge = Ridge.fit(fitted.linear() * kept, fitted.target)
    return _rms(rows @ (ridge.back @ Posterior.of(ridge, fitted.target).mean) - truth)


def _rms(error: Tensor) -> float:
    return 1e3 * float(error.square().mean().sqrt())


if __name__ == "__main__":
    main()
