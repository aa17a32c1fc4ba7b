"""A damaged or foreign `trials.db` is named, and a search never continues from it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from headstart.errors import InputError, ResourceError
from headstart.models.recipes import make_recipe
from headstart.studies.tune._space import make_space
from headstart.studies.tune._storage import TrialStorage, open_storage

FACTS = {
    "at": 1.0, "run": "runs/0", "epochs": 2.0, "seconds": 0.5, "accuracy": 0.75, "loss": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the database of a search with two trials."""
    folder = tmp_path_factory.mktemp("search")
    storage = TrialStorage(None, "study", folder)
    space = make_space("mlp", {"nodes": [16, 32, 64]}, {})
    trials = storage.trials("rung0", space, make_recipe("mlp"), 0)
    first, second = trials.generation(2, 2)
    trials.done(first, 0.5, FACTS)  # type: ignore[arg-type]
    trials.failed(second, "memory", "not enough memory", {"at": 2.0})
    storage.close()
    return (folder / "trials.db").read_bytes()


@pytest.fixture
def folder(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "trials.db").write_bytes(content)
    return tmp_path


def change(sql: str) -> Callable[[Path], None]:
    """Return a function that changes a database with a statement."""

    def apply(path: Path) -> None:
        with sqlite3.connect(path) as database:
            assert database.execute(sql).rowcount != 0
        database.close()

    return apply


def facts(**changes: object) -> Callable[[Path], None]:
    """Return a function that changes the result of the first trial."""
    text = json.dumps({**FACTS, **changes})
    return change(
        f"UPDATE trial_user_attributes SET value_json = '{text}' "
        "WHERE key = 'facts' AND value_json LIKE '%accuracy%'"
    )


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "a text": lambda path: path.write_text("null"),
    "a page of zeros": lambda path: path.write_bytes(
        path.read_bytes()[:8192] + bytes(8192) + path.read_bytes()[16384:]
    ),
    "a table is missing": change("DROP TABLE trial_user_attributes"),
    "a column is missing": change("ALTER TABLE trials RENAME COLUMN state TO status"),
    "an unknown state": change("UPDATE trials SET state = 'UNKNOWN'"),
    "no JSON": change("UPDATE trial_user_attributes SET value_json = '{'"),
    "a list": change("UPDATE trial_user_attributes SET value_json = '[1]'"),
    "a text in place of a number": facts(accuracy="high"),
    "a number in place of a text": facts(run=3),
    "null": facts(loss=None),
    "no result": change(
        "UPDATE trial_user_attributes SET value_json = '{\"at\": 1}' WHERE key = 'facts'"
    ),
    "a plan of another shape": change(
        "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (1, 'plan', '{}')"
    ),
}


def open_trials(folder: Path) -> None:
    with open_storage(None, "study", folder) as storage:
        space = make_space("mlp", {"nodes": [16, 32, 64]}, {})
        assert len(storage.trials("rung0", space, make_recipe("mlp"), 0).all()) == 2


def test_an_intact_database_opens(folder: Path) -> None:
    open_trials(folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_named_and_stays(folder: Path, damage: str) -> None:
    path = folder / "trials.db"
    DAMAGES[damage](path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"trials\.db is damaged: ") as caught:
        open_trials(folder)
    assert "another --out" in caught.value.hint
    assert path.read_bytes() == before


def test_the_database_of_another_search_is_refused(folder: Path) -> None:
    with (
        pytest.raises(InputError, match="holds another search"),
        open_storage(None, "other", folder),
    ):
        pass


def test_a_foreign_database_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "trials.db"
    change("CREATE TABLE photos (name TEXT)")(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="it has no table"):
        open_trials(tmp_path)
    assert path.read_bytes() == before


def test_a_full_disk_is_no_damage(folder: Path) -> None:
    from sqlalchemy.exc import OperationalError

    full = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
    with (
        pytest.raises(ResourceError, match="disk is full"),
        open_storage(None, "study", folder),
    ):
        raise full
