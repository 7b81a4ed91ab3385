"""κ records are found by what people ask for."""

import numpy as np
import pytest

from kappa_flow.documents import KappaDocument
from kappa_flow.documents.kappa import ErrorBudget, Flag
from kappa_flow.errors import InputError
from kappa_flow.storage.kappa_records import KappaRecord
from kappa_flow.storage.plain import plain


def document(formula="Si", elements=("Si",), kappa_300=100.0, **fields):
    temperatures = np.array([400.0, 200.0, 300.0])  # any order
    return KappaDocument(
        **{
            "formula": formula,
            "elements": elements,
            "spacegroup": "Fd-3m",
            "spacegroup_number": 227,
            "temperatures": temperatures,
            "kappa": np.multiply.outer(kappa_300 * 300 / temperatures, np.eye(3)),
            "kappa_sigma": np.multiply.outer(np.full(3, 2.0), np.eye(3)),
            "error_budget": ErrorBudget(assumptions="none"),
            "method": "rta",
            "mesh": (11, 11, 11),
            "converged": True,
            "flags": (Flag(name="imaginary-modes", message="two"),),
            "reference": "sevennet 7net-0",
            "reference_calls": 20,
            "phonons": {},
            "switches": {},
            "settings": {},
            "tags": ("demo", "test"),
            "versions": {},
            "provenance": {},
            **fields,
        }
    )


@pytest.fixture
def shelf(database):
    for run, made in {
        "Si-1": document(),
        "MgO-1": document("MgO", ("Mg", "O"), 50.0, converged=False, tags=()),
        "SiC-1": document("SiC", ("Si", "C"), 300.0, method="lbte"),
    }.items():
        database.kappa.keep(KappaRecord.of(run, database.store.put(made), made))
    return database


@pytest.mark.parametrize(
    ("criteria", "runs"),
    [
        ({}, {"Si-1", "MgO-1", "SiC-1"}),
        ({"formula": "Si"}, {"Si-1"}),
        ({"elements": ["Si"]}, {"Si-1", "SiC-1"}),
        ({"elements": "Si,C"}, {"SiC-1"}),
        ({"kappa_min": 80}, {"Si-1", "SiC-1"}),
        ({"kappa_min": 80, "kappa_max": 200}, {"Si-1"}),
        ({"temperature": 200, "kappa_min": 140}, {"Si-1", "SiC-1"}),
        ({"temperature": 1000}, set()),
        ({"method": "lbte"}, {"SiC-1"}),
        ({"converged": False}, {"MgO-1"}),
        ({"tags": ["demo", "test"], "formula": "Si"}, {"Si-1"}),
        ({"spacegroup": 227, "run": "Si-1"}, {"Si-1"}),
        ({"spacegroup": "Fm-3m"}, set()),
        ({"reference": "sevennet 7net-0", "formula": "MgO"}, {"MgO-1"}),
    ],
)
def test_records_are_found_by(shelf, criteria, runs):
    assert {record.run for record in shelf.find(**criteria)} == runs


def test_a_record_says_what_the_document_says(shelf):
    (record,) = shelf.find(formula="Si")
    assert record.temperatures == (200.0, 300.0, 400.0)
    assert record.kappa_300 == pytest.approx(100.0)
    assert record.kappa_sigma == (2.0, 2.0, 2.0)
    assert record.flags == ("imaginary-modes",)
    whole = shelf.get(record.document)
    assert isinstance(whole, KappaDocument)
    assert record.kappa_at(250.0) == pytest.approx(whole.kappa_at(250.0).value)  # the same interpolation


def test_a_reference_is_found_by_its_beginning_taken_literally(database):
    for run, reference in (("a", "sevennet 7net-0"), ("b", "lammps | 2025.7 | * * Si.sw Si")):
        made = document(reference=reference)
        database.kappa.keep(KappaRecord.of(run, database.store.put(made), made))
    assert [record.run for record in database.find(reference="sevennet")] == ["a"]
    assert [record.run for record in database.find(reference="lammps | 2025.7 | * *")] == ["b"]
    assert database.find(reference="7net-0") == []
    assert database.find(reference=".*") == []


def test_limits_nothing_can_lie_between_are_refused(shelf):
    with pytest.raises(InputError, match="kappa_min 5 is above kappa_max 1"):
        shelf.find(kappa_min=5, kappa_max=1)


def test_the_newest_comes_first_and_limit_limits(shelf):
    assert [record.run for record in shelf.find(limit=1)] == ["SiC-1"]


def test_a_rerun_replaces_the_record_of_its_run(shelf):
    better = document(kappa_300=101.0)
    shelf.kappa.keep(KappaRecord.of("Si-1", shelf.store.put(better), better))
    (record,) = shelf.find(formula="Si")
    assert record.kappa_300 == pytest.approx(101.0)


def test_a_misspelt_criterion_is_refused_with_the_nearest(shelf):
    with pytest.raises(InputError, match="kappa_min"):
        shelf.find(kapa_min=50)


def test_kappa_300_is_missing_where_300_k_was_not_computed(database):
    made = document(temperatures=np.array([400.0]), kappa=np.eye(3)[None], kappa_sigma=None)
    assert KappaRecord.of("r", "k", made).kappa_300 is None


def test_numbers_are_kept_as_plain_python():
    value = {"a": np.float64(1.5), "b": (np.int64(2), np.array([1.0])), "c": np.bool_(True)}
    assert plain(value) == {"a": 1.5, "b": [2, [1.0]], "c": True}
    assert type(plain(value)["b"][0]) is int
    with pytest.raises(TypeError, match="object"):
        plain({"a": object()})
