"""Sealed folders: every change of a sealed file is noticed before the file is used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headstart import store
from headstart.errors import InputError

USES = {"weights": ("predictions",), "scores.json": ("reports",)}


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    store.write_bytes(folder / "weights", b"weights")
    store.seal(folder, USES, final=("scores.json", store.json_bytes({"accuracy": 0.9})))
    return folder


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flip": _flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "null": lambda path: path.write_bytes(b"null"),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found_and_refused_by_every_reader(
    sealed: Path, name: str, damage: str
) -> None:
    DAMAGES[damage](sealed / name)
    (problem,) = store.find_problems(sealed)
    assert (problem.file, problem.used_by) == (name, USES[name])
    with pytest.raises(store.DamagedFile, match=f"run/{name} is damaged"):
        store.read_verified(sealed / name)
    with pytest.raises(store.DamagedFile), store.verified_content(sealed / name):
        pass
    with pytest.raises(store.DamagedFile):
        store.read_json(sealed / name)


def test_an_intact_folder_has_no_problems(sealed: Path) -> None:
    assert store.find_problems(sealed) == ()
    assert store.read_json(sealed / "scores.json") == {"accuracy": 0.9}
    with store.verified_content(sealed / "weights") as content:
        assert content == b"weights"


def test_the_message_says_what_still_works(sealed: Path) -> None:
    _flip(sealed / "weights")
    with pytest.raises(store.DamagedFile) as caught:
        store.require_intact(sealed)
    assert "Its reports still work." in caught.value.hint
    store.require_intact(sealed, "reports")


@pytest.mark.parametrize("content", ["", "null", "[]", '{"weights": 1}', '{"../x": {}}'])
def test_a_damaged_manifest_is_a_problem_of_its_own(sealed: Path, content: str) -> None:
    (sealed / "manifest.json").write_text(content)
    assert [problem.kind for problem in store.find_problems(sealed)] == ["manifest"]
    with pytest.raises(store.DamagedFile, match=r"manifest\.json is damaged"):
        store.read_verified(sealed / "weights")


def test_a_replaced_file_stays_sealed_whenever_the_process_is_killed(
    sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace
    remaining = 0

    def kill(self: Path, target: Path) -> Path:
        nonlocal remaining
        remaining -= 1
        if not remaining:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", kill)
    for boundary in (1, 2, 3):
        remaining = boundary
        with pytest.raises(KeyboardInterrupt):
            store.replace_sealed(sealed / "weights", b"other weights")
        assert store.find_problems(sealed) == ()
    store.replace_sealed(sealed / "weights", b"the last weights")
    assert store.read_verified(sealed / "weights") == b"the last weights"
    assert store.find_problems(sealed) == ()


def test_a_folder_that_looks_complete_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    real = Path.replace
    seen: list[tuple[bool, bool]] = []

    def look(self: Path, target: Path) -> Path:
        seen.append((store.is_sealed(tmp_path), (tmp_path / "metrics").exists()))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", look)
    store.seal(tmp_path, {"weights": ()}, final=("metrics", b"{}"))
    assert seen == [(False, False), (True, False)]  # before each of the two renames


def test_removed_files_leave_the_seal_true(sealed: Path) -> None:
    store.remove_sealed(sealed, ("weights", "never-there"))
    assert not (sealed / "weights").exists()
    assert store.find_problems(sealed) == ()


def test_the_seal_of_an_outer_folder_covers_the_inner_ones(sealed: Path) -> None:
    outer = sealed.parent
    store.seal(outer, {"run/manifest.json": ("predictions",)}, final=("about.json", b"{}"))
    assert store.find_problems(outer) == ()
    _flip(sealed / "weights")
    assert [problem.file for problem in store.find_problems(outer)] == ["run/weights"]


def test_a_folder_of_an_earlier_version_opens(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    assert store.read_json(tmp_path / "a.json") == [1]
    assert not store.is_sealed(tmp_path) and store.find_problems(tmp_path) == ()


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_a_problem(sealed: Path) -> None:
    (sealed / "weights").chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        store.read_verified(sealed / "weights")
