"""Triton's kernel against the two others: interpreted on the CPU, compiled without a card, and on a card."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from surrogate_cases import batch, one, random_potential, salt, salt_functions
from test_kernels import FORMS, mixed, run

from kappa_flow.surrogate.kernels.batches import MOST_CENTRES, MOST_ON_CARD, most_centres
from kappa_flow.surrogate.kernels.choose import kernel_for, takes_triton
from kappa_flow.surrogate.kernels.plain import PlainKernel
from kappa_flow.surrogate.kernels.triton_kernel import TritonKernel, recursion

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None,
    reason="Triton is not installed (pip install 'kappa-flow[gpu]')",
)
needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
# The sums differ in order alone, as in test_kernels: 1e-12 of the largest number is 10⁴ roundings.
ORDER = 1e-12


@pytest.fixture(scope="module")
def interpreted():
    """What triton_interpreted.py prints: its own process, because Triton reads TRITON_INTERPRET once."""
    if tuple(map(int, version("triton").split(".")[:2])) < (3, 7):
        pytest.skip("the interpreter of Triton before 3.7 fails with NumPy 2.4")
    script = Path(__file__).with_name("triton_interpreted.py")
    places = [str(script.parent), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(filter(None, places))}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@needs_triton
@pytest.mark.parametrize("form", [form["angular"] for form in FORMS])
def test_the_interpreted_kernel_equals_plain_torch_and_numba(interpreted, form):
    assert max(interpreted[form]) < ORDER


@needs_triton
def test_neighbours_in_blocks_and_centres_in_ranges_add_up_to_the_whole(interpreted):
    assert max(interpreted["blocks"]) < ORDER


@needs_triton
def test_a_committee_of_two_elements_is_predicted_as_on_the_cpu(interpreted):
    assert max(interpreted["predict"]) < 1e-10


@needs_triton
def test_running_out_of_memory_halves_the_batch_and_counts_nothing_twice(interpreted):
    assert max(interpreted["halved"]) < 1e-10


@needs_triton
@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="nothing is compiled when interpreted")
@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize(
    ("loop", "constants"),
    [
        ("sum_moments", {"N": 8, "J": 128, "KIND": 0}),
        ("sum_moments", {"N": 8, "J": 32, "KIND": 2}),
        ("sum_moments", {"N": 1, "J": 32, "KIND": 0, "n_elements": 1, "n_radial": 1, "l_max": 1}),
        ("pull_pairs", {"N": 8, "J": 64, "KIND": 1}),
        ("pull_pairs", {"N": 16, "J": 32, "KIND": 2}),
        (
            "pull_pairs",
            {"N": 1, "J": 32, "KIND": 0, "n_elements": 1, "n_radial": 1, "l_max": 1, "n_models": 1},
        ),
        ("sum_own", {"J": 32, "W": 32}),
        ("sum_own", {"J": 32, "W": 4, "n_elements": 1}),
        ("sum_returned", {"J": 32, "W": 4}),
    ],
)
def test_every_loop_compiles_for_cards_and_computes_in_float64(architecture, loop, constants):
    """The compiler refuses what the interpreter lets pass; it needs no card. Integers of 1 are constants."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile  # noqa: A004

    from kappa_flow.surrogate.kernels import triton_pairs

    function = getattr(triton_pairs, loop)
    kinds = {name: "constexpr" if name in constants else kind_of(name) for name in function.arg_names}
    source = ASTSource(function, kinds, constants)
    found = compile(source, target=GPUTarget("cuda", architecture, 32), options={"num_warps": 1})
    single = set(re.findall(r"\b[a-z0-9.]+\.f32\b", found.asm["ptx"]))
    # libdevice's exp compares exponents as float32; nothing may be computed in it.
    assert not [name for name in single if not name.startswith(("abs", "setp", "mov"))]
    assert len(found.asm["cubin"]) > 0


def kind_of(name):
    if name.startswith("n_") or name in {"l_max", "first", "low"}:
        return "i32"
    return "*i64" if name in {"start", "order"} else "*fp64"


def test_the_recursion_gives_the_associated_legendre_functions():
    # Q_2^0 = (3z² - 1)/2, Q_2^1/1!! = 3z, by hand; norms are those of Y_lm times (2m - 1)!!.
    rows, z = recursion(2), 0.3
    p1 = rows[1][1] * z
    assert rows[3][1] * z * p1 - rows[3][2] == pytest.approx((3 * z * z - 1) / 2)
    assert rows[4][1] * z == pytest.approx(3 * z)
    assert rows[5][0] == pytest.approx(np.sqrt(15 / (16 * np.pi)))


def test_a_batch_is_filled_to_the_memory_and_no_further(monkeypatch):
    functions = salt_functions()
    assert most_centres(functions, 3, "cpu", 1e-9) == 1
    assert most_centres(functions, 3, "cpu", 1e3) == MOST_CENTRES
    monkeypatch.setattr("kappa_flow.surrogate.kernels.batches.free_on_card", lambda: 2**40)
    assert most_centres(functions, 3, "cuda", 1.0) == MOST_ON_CARD
    monkeypatch.setattr("kappa_flow.surrogate.kernels.batches.free_on_card", lambda: 2**30)
    few, many = (most_centres(functions, models, "cuda", 1.0) for models in (8, 1))
    assert 1 < few < many < MOST_ON_CARD


def test_functions_without_moments_stay_with_plain_torch():
    functions = salt_functions(angular="behler-narrow")
    assert not takes_triton(functions)
    assert isinstance(kernel_for(functions, one(salt()), 1, "cpu"), PlainKernel)


@pytest.mark.gpu
@needs_triton
@needs_card
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["angular"])
def test_on_a_card_the_kernel_equals_plain_torch(form):
    functions, structures = salt_functions(**form), mixed()
    here = run(PlainKernel(functions, structures, 2, "cpu"), 2, step=1000)
    there = run(OnCard(functions, structures, 2, "cuda"), 2, step=30)
    for one_says, other_says in zip(here, there, strict=True):
        assert np.allclose(one_says, other_says, rtol=0, atol=1e-10 * np.abs(one_says).max())


@pytest.mark.gpu
@needs_triton
@needs_card
def test_on_a_card_finite_displacements_give_the_cpus_forces_digit_by_digit_the_same_each_time():
    perfect = salt(amplitude=0.0).repeat(2)
    moved = [perfect.copy(), perfect.copy(), perfect.copy()]
    moved[1].positions[0, 0] += 0.03
    moved[2].positions[0, 0] -= 0.03
    potential, structures = random_potential(salt_functions()), batch(moved)
    assert isinstance(kernel_for(potential.functions, structures, 3, "cuda"), TritonKernel)
    here = potential.on("cpu", 1.0).predict(structures)
    there, again = (potential.on("cuda", 1.0).predict(structures) for _ in range(2))
    scale = np.abs(here.member_forces).max()
    assert np.abs(here.member_forces - there.member_forces).max() < 1e-10 * scale
    assert np.allclose(here.energies, there.energies, rtol=1e-10)
    assert np.allclose(here.stresses, there.stresses, rtol=0, atol=1e-10 * np.abs(here.stresses).max())
    assert np.array_equal(there.member_forces, again.member_forces)


class OnCard(TritonKernel):
    """The kernel fed with slopes from the CPU."""

    def values(self, first, last):
        return super().values(first, last).cpu()

    def pull(self, slopes):
        super().pull(slopes.to(self.species.device))
