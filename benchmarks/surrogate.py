"""The surrogate against its peers on real DFT: accuracy per training cell, training time, forces per second.

Run by hand: ``python benchmarks/surrogate.py [--json] [--parts si nacl train speed mlearn] [--out FILE]`` (an
hour or two on two cores). κ at 300 K, 11×11×11, RTA, no isotopes, of Si (truth: 111 finite-difference cells)
and NaCl (truth: symfc on 100 cells with the DFT fc2 of 4×4×4; Born charges). pypolymlp with
phono3py's defaults; symfc with several fc3 cutoffs, in NaCl with the DFT fc2 of 4×4×4 cells that it cannot do
without. Rows that FILE holds already are not done again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import force_speed
import mlearn
import nacl_pbesol as nacl
import peers
import si_pbesol as si
import torch

SIZES = (5, 10, 20, 40, 100)
NACL_SIZES = (5, 10, 20, 40, 90)
"""The last ten of the hundred are held out."""
MODELS: dict[str, dict[str, Any]] = {"hdnnp": {}, "linear": {"model": "linear", "committee": 1}}
COMPARED = 20
"""Cells with which the potential without its long-range part is shown too."""
NACL_CUTOFFS = (4.0, 5.0, None)
Row = dict[str, Any]


class Report:
    """Rows as they come, kept in a file; a row that is there is not made again."""

    def __init__(self, path: Path | None, *, silent: bool) -> None:
        self.path, self.silent = path, silent
        self.rows: Row = {} if path is None or not path.is_file() else json.loads(path.read_text("utf-8"))

    def add(self, name: str, make: Callable[[], Any]) -> None:
        if name in self.rows:
            return
        self.rows[name] = make()
        if self.path is not None:
            self.path.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")
        if not self.silent:
            print(name, json.dumps(self.rows[name]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--parts", nargs="+", choices=sorted(PARTS), default=list(PARTS))
    parser.add_argument("--sizes", type=int, nargs="+", help="training cells")
    parser.add_argument("--out", type=Path, help="keep rows here")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = Report(options.out, silent=options.json)
    report.add(
        "versions", lambda: si.versions() | {"pypolymlp": si.version("pypolymlp"), "threads": options.threads}
    )
    for part in options.parts:
        PARTS[part](report, options)
    if options.json:
        print(json.dumps(report.rows))


def silicon(report: Report, options: argparse.Namespace) -> None:
    """Force RMSE on the finite-difference cells and error of κ, against the number of cells."""
    truth, forces = si.finite_differences()
    report.add("si_truth", lambda: peers.from_forces(truth, forces, si.MESH))
    target = report.rows["si_truth"]
    for name, file in si.SETS.items():
        for count in options.sizes or SIZES:
            images = si.read_cells(si.DATA / file, count)
            row = f"si_{name}_{count}"
            for model, settings in MODELS.items():
                report.add(
                    f"{row}_{model}",
                    lambda count=count, file=file, settings=settings: si.ours(
                        si.DATA / file, count, settings, target
                    ),
                )
            report.add(
                f"{row}_pypolymlp",
                lambda images=images: of_peer(peers.pypolymlp(images, truth, forces, si.MESH), target),
            )
            report.add(
                f"{row}_symfc",
                lambda images=images: [
                    of_peer(fit, target) for fit in peers.symfc(images, truth, si.MESH, si.SYMFC_CUTOFFS)
                ],
            )


def salt(report: Report, options: argparse.Namespace) -> None:
    """The same for NaCl, fc2 from 4×4×4 cells by every model but symfc."""
    truth = nacl.solve_truth()
    report.add("nacl_truth", lambda: truth.kappa)
    for count in options.sizes or NACL_SIZES:
        row = f"nacl_{count}"
        for model, settings in MODELS.items():
            report.add(
                f"{row}_{model}", lambda count=count, settings=settings: nacl.ours(count, settings, truth)
            )
        if count == COMPARED:
            report.add(
                f"{row}_hdnnp_without_long_range",
                lambda count=count: nacl.ours(count, {"long_range": "off"}, truth),
            )
        report.add(f"{row}_pypolymlp", lambda count=count: nacl.polynomial(count, truth))
        images = si.read_cells(nacl.TRAINING, count)
        report.add(
            f"{row}_symfc",
            lambda images=images: [
                of_peer(fit, truth.kappa)
                for fit in peers.symfc(images, nacl.empty(truth), nacl.MESH, NACL_CUTOFFS, truth.fc2)
            ],
        )


def of_peer(found: peers.PeerResult, target: float) -> Row:
    return {
        "kappa": found.kappa,
        "kappa_error_percent": 100 * (found.kappa / target - 1),
        "force_rmse": found.force_rmse,
        "train_seconds": found.seconds,
        "setting": found.setting,
    }


def training_time(report: Report, options: argparse.Namespace) -> None:
    """Wall time of training on the first 20 random Si cells, ours and pypolymlp's in turns."""

    def measure() -> Row:
        truth, _ = si.finite_differences()
        images = si.read_cells(si.DATA / si.SETS["random"], 20)
        data = si.labelled_cells(si.DATA / si.SETS["random"], 20)
        turns = [(si.seconds_of_training(data), peers.train_pypolymlp(images, truth)[1]) for _ in range(3)]
        return {
            "hdnnp_seconds": min(ours for ours, _ in turns),
            "pypolymlp_seconds": min(theirs for _, theirs in turns),
            "ratio": sorted(ours / theirs for ours, theirs in turns)[1],
            "threads": options.threads,
        }

    report.add("training_time_20_cells", measure)


def speed(report: Report, options: argparse.Namespace) -> None:
    report.add("force_speed", lambda: force_speed.measure(1000, options.threads))


def diverse(report: Report, options: argparse.Namespace) -> None:
    del options
    for element in mlearn.PUBLISHED:
        for model in MODELS:
            report.add(
                f"mlearn_{element}_{model}", lambda element=element, model=model: mlearn.row(element, model)
            )


PARTS: dict[str, Callable[[Report, argparse.Namespace], None]] = {
    "si": silicon,
    "nacl": salt,
    "train": training_time,
    "speed": speed,
    "mlearn": diverse,
}

if __name__ == "__main__":
    main()
