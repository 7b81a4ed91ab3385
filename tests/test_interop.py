"""phono3py and phonopy objects of a crystal."""

from __future__ import annotations

import numpy as np
from phonon_cases import copper

from kappa_flow.interop import phono3py_of, phonopy_of


def test_what_is_done_to_one_object_of_a_crystal_no_other_one_shows() -> None:
    used = phono3py_of(copper())
    used.generate_displacements()
    used.supercell.positions[:] = 0.0
    fresh = phono3py_of(copper())
    assert fresh.dataset is None
    assert np.ptp(fresh.supercell.positions) > 0


def test_phonopys_supercell_is_that_of_fc2() -> None:
    assert len(phonopy_of(copper()).supercell) == 32
    assert len(phonopy_of(copper(fc2_supercell=3)).supercell) == 108
