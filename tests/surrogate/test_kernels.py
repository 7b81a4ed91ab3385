"""The kernels against one another: plain torch is the reference, the compiled one must say the same."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from surrogate_cases import batch, one, random_potential, salt, salt_functions

from kappa_flow.errors import InputError
from kappa_flow.surrogate import potential as potential_module
from kappa_flow.surrogate.kernels.bins import Bins, search
from kappa_flow.surrogate.kernels.cpu import CompiledKernel
from kappa_flow.surrogate.kernels.plain import PlainKernel

FORMS = [
    {"angular": "legendre"},
    {"angular": "behler", "pairs": "same", "cutoff_function": "poly2"},
    {"angular": "none", "cutoff_function": "cosine"},
]


def mixed():
    """Structures of different sizes: a cell smaller than the cutoff, a larger one, a slab with vacuum."""
    slab = bulk("NaCl", "rocksalt", 5.6, cubic=True).repeat((2, 1, 1))
    slab.center(vacuum=5.0, axis=2)
    slab.rattle(0.1, seed=3)
    large = salt(seed=1).repeat((2, 1, 3))
    large.rattle(0.1, seed=2)
    return batch([salt(), large, slab])


def run(kernel, models, step):
    """Values and forces of all atoms from the same random slopes, in ranges of ``step`` centres."""
    generator = np.random.default_rng(5)
    atoms, functions = len(kernel.species), kernel.functions.n_functions
    slopes = torch.tensor(generator.normal(size=(atoms, models, functions)))
    values = []
    for first in range(0, atoms, step):
        last = min(first + step, atoms)
        values.append(kernel.values(first, last))
        kernel.pull(slopes[first:last])
    return torch.cat(values).numpy(), kernel.forces, kernel.virials


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["angular"])
def test_the_compiled_kernel_equals_plain_torch(form):
    functions, structures = salt_functions(**form), mixed()
    plain = run(PlainKernel(functions, structures, 2, "cpu"), 2, step=1000)
    compiled = run(CompiledKernel(functions, structures, 2), 2, step=1000)
    for one_says, other_says in zip(plain, compiled, strict=True):
        # Sums of a few thousand terms of either sign in another order: 1e-12 of the largest is 10⁴ roundings.
        assert np.allclose(one_says, other_says, rtol=0, atol=1e-12 * np.abs(one_says).max())


@pytest.mark.parametrize("kernel", [CompiledKernel, lambda *args: PlainKernel(*args, "cpu")])
def test_ranges_of_centres_add_up_to_the_whole(kernel):
    functions, structures = salt_functions(), mixed()
    whole = run(kernel(functions, structures, 1), 1, step=1000)
    parts = run(kernel(functions, structures, 1), 1, step=7)
    for one_says, other_says in zip(whole, parts, strict=True):
        assert np.allclose(one_says, other_says, rtol=0, atol=1e-12 * np.abs(one_says).max())


def test_threads_do_not_change_a_digit():
    functions, structures = salt_functions(), mixed()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run(CompiledKernel(functions, structures, 1), 1, step=50)
        torch.set_num_threads(3)
        together = run(CompiledKernel(functions, structures, 1), 1, step=50)
    finally:
        torch.set_num_threads(threads)
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("atoms", "cutoff"),
    [
        (bulk("Cu"), 7.0),  # one atom, images of itself only
        (salt().repeat((3, 1, 1)), 4.0),
        (bulk("Si").repeat((4, 4, 4)), 3.0),  # many bins
        (Atoms("Cu2", cell=[[4, 0, 0], [3.9, 1, 0], [0, 0, 30]], positions=[[9, -7, 50], [0, 0, 1]]), 5.0),
    ],
    ids=["one atom", "skewed", "many bins", "flat, atoms outside"],
)
def test_both_searches_find_the_neighbours_ase_finds(atoms, cutoff):
    atoms.rattle(0.01, seed=4)
    bins = Bins.of(one(atoms), cutoff)
    centre, vector = neighbor_list(
        "iD", Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True), cutoff
    )
    wanted = sorted_pairs(centre, vector)
    for found in (
        bins.search(0, len(atoms), torch.device("cpu")),
        search(bins, 0, len(atoms), torch.device("cpu")),
    ):
        assert np.allclose(sorted_pairs(found[0].numpy(), found[2].numpy()), wanted, atol=1e-10)


def sorted_pairs(centre, vector):
    rows = np.column_stack([centre, vector.round(6) + 0.0])
    return np.column_stack([centre, vector])[np.lexsort(rows.T[::-1])]


def test_one_search_finds_the_neighbours_of_all_structures_in_any_range():
    structures = mixed()
    bins = Bins.of(structures, 5.0)
    whole = bins.pairs(0, len(structures.numbers))
    part = search(bins, 9, 30, torch.device("cpu"))
    rows = slice(whole.start[9], whole.start[30])
    counts = np.diff(whole.start)[9:30]
    assert np.array_equal(np.bincount(part[0], minlength=21), counts)
    assert np.allclose(
        np.sort(np.linalg.norm(part[2], axis=1)), np.sort(np.linalg.norm(whole.vectors[rows], axis=1))
    )
    owner = bins.owner[whole.others]
    assert np.array_equal(owner, np.repeat(bins.owner, np.diff(whole.start)))


def test_little_memory_changes_nothing():
    potential, structures = random_potential(salt_functions()), mixed()
    whole = potential.predict(structures)
    small = potential.on("cpu", 1e-5).predict(structures)
    assert np.allclose(whole.member_forces, small.member_forces, atol=1e-12)
    assert np.allclose(whole.energies, small.energies, atol=1e-12)
    assert np.allclose(whole.stresses, small.stresses, atol=1e-12)


class Narrow(PlainKernel):
    """A device whose memory holds the slopes of 5 centres and raises what torch raises beyond."""

    def pull(self, slopes):
        if len(slopes) > 5:
            raise torch.OutOfMemoryError
        super().pull(slopes)


def test_running_out_of_memory_halves_the_batch_and_counts_nothing_twice(monkeypatch):
    potential, structures = random_potential(salt_functions()), mixed()
    whole = potential.predict(structures)
    monkeypatch.setattr(potential_module, "kernel_for", Narrow)
    split = potential.predict(structures)
    assert np.allclose(whole.member_forces, split.member_forces, atol=1e-11)
    assert np.allclose(whole.energies, split.energies, atol=1e-11)


def test_a_cell_without_volume_is_refused():
    atoms = salt()
    atoms.set_cell(np.diag([5.0, 5.0, 0.0]))
    with pytest.raises(InputError, match="a periodic cell is needed"):
        Bins.of(one(atoms), 4.0)
