"""Finished runs are copied instead of trained again."""

from __future__ import annotations

from pathlib import Path

from headstart.data import Dataset, Split, SplitDataset
from headstart.execution import Job
from headstart.models.recipes import make_recipe
from headstart.studies._reuse import copy_finished_runs
from headstart.training import TrainingJob, train


def test_only_a_run_of_the_same_recipe_seed_and_split_is_copied(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    recipe = make_recipe("mlp", {"epochs": 1.0, "nodes": 8})
    train(TrainingJob(recipe, SplitDataset(digits, small), 0, tmp_path / "single"))
    jobs = [
        Job("same", recipe, 0, tmp_path / "study" / "runs" / "same"),
        Job("seed", recipe, 1, tmp_path / "study" / "runs" / "seed"),
        Job("blind", recipe, 0, tmp_path / "study" / "runs" / "blind", reads_test=False),
        Job(
            "longer",
            make_recipe("mlp", {"epochs": 2.0, "nodes": 8}),
            0,
            tmp_path / "study" / "runs" / "longer",
        ),
    ]
    copy_finished_runs(jobs, SplitDataset(digits, small), tmp_path / "study")
    assert [job.folder.exists() for job in jobs] == [True, False, False, False]
    copied, old = jobs[0].folder, tmp_path / "single"
    assert (copied / "model.safetensors").read_bytes() == (old / "model.safetensors").read_bytes()
    assert train(TrainingJob(recipe, SplitDataset(digits, small), 0, copied)).reused
