"""What every Store must do, as a suite to run against one.

Subclass it, and give it a fixture ``store``::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)
"""

# ruff: noqa: S101 - a test suite asserts

from __future__ import annotations

import numpy as np
import pytest

from kappa_flow.documents import Cell, Evaluation, SurrogateDocument
from kappa_flow.documents.surrogate import FitErrors, Parity, TrainingHistory
from kappa_flow.errors import WorkError
from kappa_flow.protocols import Store


def small_document(seed: int = 0) -> Cell:
    """Return a document with a few arrays."""
    rng = np.random.default_rng(seed)
    return Cell(lattice=np.eye(3) * 5.43, positions=rng.random((8, 3)), numbers=np.full(8, 14))


def nested_document() -> SurrogateDocument:
    """Return a document with nested parts, arrays by name, None, unicode and empty arrays."""
    errors = FitErrors(structures=3, force_rmse=1e-3, force_mae=5e-4, energy_rmse=1e-4, force_spread=0.0)
    points = np.arange(4.0)
    return SurrogateDocument(
        model={"elements": ["Si"], "κ": [1, 2.5, None, True], "layers": {"0.weight": [3, 4]}},
        weights={"Si.0.weight": np.linspace(0, 1, 12).reshape(3, 4), "empty": np.zeros((0, 3))},
        train=errors,
        history=TrainingHistory(iterations=points, train_force_rmse=points, validation_force_rmse=points),
        parity=Parity(reference=np.zeros(0), predicted=np.zeros(0)),
        warnings=("cutoff 7 Å passes half the box",),
    )


class StoreContract:
    """Claims about any Store."""

    @pytest.fixture
    def store(self) -> Store:
        """Return the store to test, empty."""
        raise NotImplementedError("a suite of a store has a fixture `store`")

    def test_what_is_put_is_got_back_with_the_same_content(self, store: Store) -> None:
        """Content hash, fields and arrays survive, dtype and shape included."""
        for document in (small_document(), nested_document()):
            back = store.get(store.put(document))
            assert type(back) is type(document)
            assert back.content_hash == document.content_hash

    def test_a_document_is_named_by_its_content_hash(self, store: Store) -> None:
        """``put`` returns what the document calls itself."""
        assert store.put(small_document()) == small_document().content_hash

    def test_putting_twice_keeps_once(self, store: Store) -> None:
        """An equal document has the same name; another has another."""
        assert store.put(small_document()) == store.put(small_document())
        assert store.put(small_document(1)) != store.put(small_document())

    def test_contains_tells_what_is_there(self, store: Store) -> None:
        """Before and after putting."""
        key = small_document().content_hash
        assert key not in store
        store.put(small_document())
        assert key in store
        assert "0" * 64 not in store

    def test_what_is_not_there_is_an_error_of_one_line(self, store: Store) -> None:
        """It names the document and says what to do."""
        with pytest.raises(WorkError, match="abcdef012345") as caught:
            store.get("abcdef012345" + "0" * 52)
        assert "\n" not in str(caught.value)

    def test_numbers_come_back_to_the_last_bit(self, store: Store) -> None:
        """Doubles that decimal text would round, and the extremes."""
        values = np.array(
            [[0.1 + 0.2, np.nextafter(1.0, 2.0), 5e-324], [-0.0, 1.7976931348623157e308, np.pi]]
        )
        evaluation = Evaluation(energies=np.array([1 / 3]), forces=values)
        back = store.get(store.put(evaluation))
        assert isinstance(back, Evaluation)
        assert back.forces.tobytes() == values.tobytes()
        assert back.stresses is None

    def test_large_arrays_are_kept(self, store: Store) -> None:
        """Beyond the 16 MB a database document may hold."""
        forces = np.random.default_rng(0).random((900_000, 3))
        back = store.get(store.put(Evaluation(energies=np.zeros(1), forces=forces)))
        assert isinstance(back, Evaluation)
        assert np.array_equal(back.forces, forces)
