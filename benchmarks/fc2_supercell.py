"""What a larger supercell of fc2 is worth, and costs: silicon (Stillinger–Weber), germanium (Tersoff).

Run by hand: ``python benchmarks/fc2_supercell.py [--case si] [--divisions 11]``. κ(300 K), RTA, no isotopes,
with fc3 of 2×2×2 conventional cells by the surrogate and fc2 of the same box, then of the supercell ``auto``
comes to; and by brute force in those two supercells. One line of JSON each: κ, reference calls, the curve.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk
from reference_calls import lammps

from kappa_flow import pipeline
from kappa_flow.documents import ForceSets, KappaDocument, RunConfig, crystal_of

CASES: dict[str, tuple[str, float, dict[str, Any]]] = {
    "si": ("Si", 5.431, lammps("sw", "Si.sw", "Si")),
    "ge": ("Ge", 5.66, {"engine": "tersoff", "elements": ["Ge"]}),
}


def solved(case: str, divisions: int, fc2: Any, source: str) -> list[list[int]] | None:
    """Run one calculation, print it, and return the fc2 supercell it used."""
    element, a, reference = CASES[case]
    with tempfile.TemporaryDirectory() as folder:
        bulk(element, a=a, cubic=True).write(Path(folder) / "POSCAR", format="vasp", direct=True)
        data = {
            "structure": {"file": "POSCAR", "supercell": [2, 2, 2], "fc2_supercell": fc2},
            "reference": reference,
            "forces": {"source": source},
            "bte": {"mesh": [divisions] * 3, "temperatures": [300], "isotopes": False},
        }
        documents = pipeline.run_all(RunConfig.from_mapping(data, Path(folder)))
    document, sets, crystal = documents["results"], documents["forces"], crystal_of(documents)
    assert isinstance(document, KappaDocument)
    assert isinstance(sets, ForceSets)
    used = None if crystal.fc2_supercell is None else crystal.fc2_supercell.tolist()
    said = {
        "forces": source,
        "asked": fc2,
        "fc2": None if used is None else np.diag(used).tolist(),
        "kappa": document.kappa_at(300).value,
        "calls": document.reference_calls,
        "curve": [(curve.values.tolist(), curve.kappa.tolist()) for curve in sets.convergence],
    }
    print(json.dumps(said), flush=True)
    return used


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, default="si")
    parser.add_argument("--divisions", type=int, default=11)
    asked = parser.parse_args()
    solved(asked.case, asked.divisions, None, "surrogate")
    chosen = solved(asked.case, asked.divisions, "auto", "surrogate")
    solved(asked.case, asked.divisions, None, "reference")
    solved(asked.case, asked.divisions, chosen, "reference")
