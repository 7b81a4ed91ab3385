"""How many reference calculations κ costs: the learning loop against the same engine's brute force.

Run by hand: ``python benchmarks/reference_calls.py [--json] [--cases si ge] [--seeds 5] [--out FILE]``. Each
case runs through kappa_flow's own pipeline with the workflow ``on-the-fly``, once per seed, and once with
``kappa-brute-force``: the same crystal, relaxed by the same engine, the same mesh, RTA, no isotopes,
degenerate bands averaged, 300 K. Calls count everything: relaxation, labels, and for brute force every
displaced supercell and the perfect one.
Rows that FILE holds are not done again. SevenNet has no Born charges: both sides lack the LO–TO splitting.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk
from ase.io import write
from surrogate import Report

from kappa_flow import pipeline
from kappa_flow.documents import KappaDocument, RunConfig

SEVENNET = {"engine": "sevennet", "model": "7net-0"}


def lammps(pair_style: str, file: str, *elements: str) -> dict[str, Any]:
    coefficients = [f"* * {file} {' '.join(elements)}"]
    return {
        "engine": "lammps",
        "pair_style": pair_style,
        "pair_coeff": coefficients,
        "elements": list(elements),
    }


CUBIC = {"supercell": [2, 2, 2], "mesh": [11, 11, 11]}
WURTZITE = {"supercell": [2, 2, 2], "mesh": [9, 9, 5]}
"""32 atoms; a pair cutoff would make phono3py ten times slower (docs/stages/5-displacements.md)."""
CASES: dict[str, dict[str, Any]] = {
    "si": {"crystal": ("Si", "diamond", 5.431), "reference": lammps("sw", "Si.sw", "Si"), **CUBIC},
    "ge": {
        "crystal": ("Ge", "diamond", 5.658),
        "reference": lammps("tersoff", "SiCGe.tersoff", "Ge"),
        **CUBIC,
    },
    "mgo": {"crystal": ("MgO", "rocksalt", 4.22), "reference": SEVENNET, **CUBIC},
    "nacl": {"crystal": ("NaCl", "rocksalt", 5.64), "reference": SEVENNET, **CUBIC},
    "sic": {"crystal": ("SiC", "zincblende", 4.36), "reference": SEVENNET, **CUBIC},
    "gan": {
        "crystal": ("GaN", "wurtzite", 3.19),
        "reference": lammps("tersoff", "GaN.tersoff", "Ga", "N"),
        **WURTZITE,
    },
    "aln": {"crystal": ("AlN", "wurtzite", 3.11), "reference": SEVENNET, **WURTZITE},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=1, help="runs of the loop with other random cells")
    parser.add_argument("--sampling", type=json.loads, default={}, help="more of the sampling section")
    parser.add_argument("--out", type=Path, help="keep rows here")
    options = parser.parse_args()
    report = Report(options.out, silent=True)
    report.add("versions", versions)
    for name in options.cases:
        case = CASES[name]
        report.add(f"{name} brute force", lambda case=case: brute_force(case))
        for seed in range(1, options.seeds + 1):
            sampling = options.sampling | {"seed": seed}
            report.add(f"{name} {seed}", lambda case=case, sampling=sampling: learned(case, sampling))
            if not options.json:
                print_row(name, compared(report.rows, name, seed))
    if options.json:
        seeds = range(1, options.seeds + 1)
        print(json.dumps({f"{n} {s}": compared(report.rows, n, s) for n in options.cases for s in seeds}))


def versions() -> dict[str, str]:
    names = ("kappa-flow", "phono3py", "sevenn", "lammps", "torch")
    return {name: version(name) for name in names} | {"python": platform.python_version()}


def learned(case: dict[str, Any], sampling: dict[str, Any]) -> dict[str, Any]:
    """Return what the learning loop gives and costs."""
    document, seconds = solve(case, {"workflow": "on-the-fly", "sampling": sampling})
    return {
        "formula": document.formula,
        "reference": document.reference,
        "sampling": sampling,
        "calls": document.reference_calls,
        "labelled": document.learning[-1].labelled,
        "kappa": diagonal(document),
        "spread_percent": 100 * (document.error_budget.surrogate or 0.0),
        "rounds": [one.model_dump() for one in document.learning],
        "seconds": seconds,
    }


def brute_force(case: dict[str, Any]) -> dict[str, Any]:
    """Return what the engine's own forces on every displaced supercell give and cost."""
    document, seconds = solve(case, {"workflow": "kappa-brute-force"})
    return {"calls": document.reference_calls, "kappa": diagonal(document), "seconds": seconds}


def diagonal(document: KappaDocument) -> list[float]:
    """Return κ_xx, κ_yy, κ_zz at 300 K, W/(m K)."""
    return [float(value) for value in np.diag(document.kappa_at(300).tensor)]


def compared(rows: dict[str, Any], name: str, seed: int) -> dict[str, Any]:
    """Return a row of the loop with its brute force and the errors of κ."""
    ours, truth = rows[f"{name} {seed}"], rows[f"{name} brute force"]
    ratio = np.array(ours["kappa"]) / np.array(truth["kappa"])
    return ours | {
        "brute_force": truth,
        "kappa_error_percent": 100 * (float(np.mean(ours["kappa"]) / np.mean(truth["kappa"])) - 1),
        "kappa_error_percent_xx_yy_zz": (100 * (ratio - 1)).tolist(),
    }


def solve(case: dict[str, Any], policy: dict[str, Any]) -> tuple[KappaDocument, float]:
    """Return the result of one run and its wall time."""
    with tempfile.TemporaryDirectory() as place:
        formula, structure, length = case["crystal"]
        cubic = structure != "wurtzite"
        write(Path(place) / "POSCAR", bulk(formula, structure, a=length, cubic=cubic), format="vasp")
        sections = {
            "structure": {"file": "POSCAR", "supercell": case["supercell"]},
            "reference": case["reference"],
            "bte": {
                "mesh": case["mesh"],
                "temperatures": [300],
                "isotopes": False,
                "average_degenerate": True,
                "member_mesh": case.get("member_mesh"),
            },
        }
        start = time.perf_counter()
        document = pipeline.run(RunConfig.from_mapping(sections | policy, Path(place)))
        return document, time.perf_counter() - start


def print_row(name: str, row: dict[str, Any]) -> None:
    truth = row["brute_force"]
    calls = f"{row['calls']:4d} calls ({row['labelled']} cells) against {truth['calls']:5d}"
    ours, theirs = np.mean(row["kappa"]), np.mean(truth["kappa"])
    values = f"κ {ours:8.2f} ± {row['spread_percent']:.1f} % against {theirs:8.2f}"
    seconds = f"{row['seconds']:.0f} s against {truth['seconds']:.0f} s"
    print(f"{name:5s} {calls}: {values}, error {row['kappa_error_percent']:+.2f} %; {seconds}", flush=True)


if __name__ == "__main__":
    main()
