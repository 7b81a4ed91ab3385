"""MACE from a model file: a tiny model of random weights made here stands for one of yours."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces

from kappa_flow import interop, references
from kappa_flow.documents.engines import MaceSettings
from kappa_flow.errors import InputError

pytest.importorskip("mace.modules", reason="MACE is not installed: pip install mace-torch")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    import torch
    from e3nn import o3
    from mace import modules

    precision = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=4.0,
        num_bessel=4,
        num_polynomial_cutoff=5,
        max_ell=1,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=1,
        num_elements=1,
        hidden_irreps=o3.Irreps("4x0e"),
        MLP_irreps=o3.Irreps("4x0e"),
        atomic_energies=np.array([-1.0]),
        avg_num_neighbors=4.0,
        atomic_numbers=[14],
        correlation=2,
        gate=torch.nn.functional.silu,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
        radial_type="bessel",
    )
    torch.set_default_dtype(precision)
    path = tmp_path_factory.mktemp("mace") / "tiny.model"
    torch.save(model, path)
    return MaceSettings(engine="mace", model=path, device="cpu")


def test_forces_are_minus_the_gradient(settings):
    atoms = bulk("Si", a=5.46, cubic=True)
    atoms.rattle(0.1, seed=1)
    found = references.build(settings).evaluate(interop.structures_from_ase([atoms]))
    atoms.calc = references.build(settings).calculator()
    numerical = calculate_numerical_forces(atoms, eps=1e-4, iatoms=[0, 1])[:2]
    # float64: rounding 1e-12 eV / 1e-4 Å, differences h²/6 E''' ~ 1e-8 eV/Å
    np.testing.assert_allclose(found.forces[:2], numerical, atol=1e-6)
    assert np.abs(found.forces).max() > 1e-3


def test_it_leaves_torch_as_it_was_and_says_nothing(settings, capfd):
    import torch

    before = torch.get_default_dtype()
    references.build(settings).evaluate(interop.structures_from_ase([bulk("Si")]))
    assert torch.get_default_dtype() == before
    assert capfd.readouterr() == ("", "")


def test_the_elements_are_those_of_the_file(settings):
    references.check(settings, np.array([14]))
    with pytest.raises(InputError, match="does not know Ge; it knows Si"):
        references.check(settings, np.array([32]))


def test_a_file_that_is_not_there_or_no_model_is_refused(settings, tmp_path):
    with pytest.raises(InputError, match="there is no such file, and none is downloaded"):
        references.check(settings.model_copy(update={"model": tmp_path / "no.model"}), np.array([14]))
    (tmp_path / "text.model").write_text("hello")
    with pytest.raises(InputError, match=r"text\.model: holds no MACE model"):
        references.check(settings.model_copy(update={"model": tmp_path / "text.model"}), np.array([14]))
