"""Every Store keeps the contract; each also notices damage in its own way."""

import numpy as np
import pytest

from kappa_flow.arrays import array_hash
from kappa_flow.documents import Evaluation
from kappa_flow.errors import WorkError
from kappa_flow.storage.files import FileStore, Hdf5Arrays
from kappa_flow.storage.grid import GridArrays
from kappa_flow.storage.mongo import MongoStore
from kappa_flow.testing.store import StoreContract, small_document


class TestFileStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return FileStore(tmp_path)


class TestMongoStoreWithFiles(StoreContract):
    @pytest.fixture
    def store(self, database, tmp_path):
        return MongoStore(database.mongo, Hdf5Arrays(tmp_path))


class TestMongoStoreInGridFS(StoreContract):
    @pytest.fixture
    def store(self, database):
        return MongoStore(database.mongo, GridArrays(database.mongo))


@pytest.fixture(params=["files", "mongo"])
def store(request, tmp_path):
    if request.param == "files":
        return FileStore(tmp_path)
    return MongoStore(request.getfixturevalue("database").mongo, Hdf5Arrays(tmp_path / "arrays"))


def test_a_damaged_array_is_noticed_and_putting_again_mends_it(store):
    document = small_document()
    key = store.put(document)
    path = store.arrays.path(array_hash(document.positions))
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    assert key not in store
    with pytest.raises(WorkError, match="sha256"):
        store.get(key)
    assert store.put(document) == key
    assert key in store


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_cut_or_missing_array_is_noticed(store, damage):
    document = small_document()
    key = store.put(document)
    path = store.arrays.path(array_hash(document.positions))
    path.write_bytes(path.read_bytes()[:100]) if damage == "cut" else path.unlink()
    assert key not in store


def test_arrays_are_spread_over_folders_by_their_hash(tmp_path):
    array = np.arange(3.0)
    key = array_hash(array)
    Hdf5Arrays(tmp_path).write(key, array)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.h5")] == [
        f"{key[:2]}/{key}.h5"
    ]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path):
    arrays = Hdf5Arrays(tmp_path)
    with pytest.raises(TypeError):
        arrays.write("ab" * 32, np.array([object()]))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_changed_body_in_the_database_is_noticed(database):
    key = database.store.put(small_document())
    database.mongo["documents"].update_one({"_id": key}, [{"$set": {"body": {"$concat": ["$body", " "]}}}])
    assert key in database.store  # white space is no content
    text = database.mongo["documents"].find_one({"_id": key})["body"].replace('"cell"', '"crystal"')
    database.mongo["documents"].update_one({"_id": key}, {"$set": {"body": text}})
    assert key not in database.store


def test_a_body_beyond_the_limit_of_mongodb_is_kept_beside_it(database, monkeypatch):
    from kappa_flow.storage import mongo

    monkeypatch.setattr(mongo, "BODY_LIMIT", 100)
    key = database.store.put(small_document())
    assert "body" not in database.mongo["documents"].find_one({"_id": key})
    assert database.store.get(key).content_hash == key


class TestLabels:
    """Single reference calculations."""

    @staticmethod
    def evaluation(atoms=8):
        rng = np.random.default_rng(0)
        return Evaluation(
            energies=rng.random(1), forces=rng.random((atoms, 3)), stresses=rng.random((1, 3, 3))
        )

    def test_what_is_remembered_is_recalled_to_the_last_bit(self, database):
        database.labels.remember("k", self.evaluation())
        assert database.labels.recall("k").content_hash == self.evaluation().content_hash

    def test_what_was_never_remembered_is_not_recalled(self, database):
        assert database.labels.recall("k") is None

    def test_a_damaged_label_counts_as_forgotten(self, database):
        database.labels.remember("k", self.evaluation())
        record = database.mongo["labels"].find_one({"_id": "k"})
        name = next(iter(record["arrays"]))
        data = record["arrays"][name]["data"]
        database.mongo["labels"].update_one({"_id": "k"}, {"$set": {f"arrays.{name}.data": bytes(len(data))}})
        assert database.labels.recall("k") is None

    def test_a_label_too_large_for_one_database_document_is_kept_beside_it(self, database):
        large = self.evaluation(atoms=800_000)
        database.labels.remember("k", large)
        assert np.array_equal(database.labels.recall("k").forces, large.forces)
