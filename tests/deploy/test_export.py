"""Exported files: one file that reproduces the run, for programs without Headstart."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from headstart import api
from headstart.api._runs import reopen_run
from headstart.classifier import to_probabilities
from headstart.data import Dataset, Split, SplitDataset, load, make_split
from headstart.deploy import open_images, open_model
from headstart.deploy.export import _serialise
from headstart.deploy.export._network import Network
from headstart.deploy.export._onnx import open_onnx
from headstart.errors import InputError, RunFailed
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train

Command = Callable[..., tuple[int, str, str]]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def run(data: tuple[Dataset, Split], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(
        TrainingJob(
            make_recipe("cnn", {"epochs": 12, "nodes": 16, "flip": True}),
            SplitDataset(*data),
            0,
            folder,
        )
    )
    return folder


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Any]]:
    """The ONNX file, with an int8 file beside it, and the result of `export`."""
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return path, api.export(run, out=path, int8=True)


def test_an_exported_file_reproduces_the_run(
    exported: tuple[Path, Mapping[str, Any]], run: Path, digits: Dataset
) -> None:
    path, result = exported
    assert result["onnx"] == str(path) and result["bytes"] == path.stat().st_size
    assert result["parity"]["top1_agreement"] == 1
    assert (
        result["parity"]["max_difference"] < 1e-4
        and result["parity"]["max_familiarity_difference"] < 1e-3
    )
    assert (result["parity"]["n"], result["parity"]["part"]) == (270, "validation")
    theirs, ours = (open_model(each).predict(digits.images[:100]) for each in (path, run))
    # In bfloat16, logits of about 10 have three digits. With AMX the difference was 0.023. `parity`
    # is in float32.
    assert np.abs(theirs.probabilities - ours.probabilities).max() < 0.05
    assert theirs.class_names == ours.class_names
    assert theirs.is_out_of_distribution is not None and ours.is_out_of_distribution is not None


def test_an_exported_file_refuses_pixels_on_another_scale(
    exported: tuple[Path, Mapping[str, Any]], digits: Dataset
) -> None:
    with pytest.raises(InputError, match="expected uint8 from 0 to 255, got float64"):
        api.predict(exported[0], digits.images[:2] / 255)  # type: ignore[arg-type]


def test_the_file_is_self_contained_accepts_any_batch_and_names_its_classes(
    exported: tuple[Path, Mapping[str, Any]],
) -> None:
    model = onnx.load(exported[0], load_external_data=False)
    (images,) = model.graph.input
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [side.dim_param or side.dim_value for side in images.type.tensor_type.shape.dim] == [
        "batch",
        8,
        8,
        1,
    ]
    assert str(Path(__file__).parents[2]).encode() not in exported[0].read_bytes()
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["class_names"]) == [str(number) for number in range(10)]
    assert about["headstart"] == "0.1.0" and about["format"] == "3"


def test_many_images_pass_through_an_exported_file_in_small_batches(
    exported: tuple[Path, Mapping[str, Any]], digits: Dataset
) -> None:
    class Recorder:
        """The session of a file, which records how many images each call has."""

        def __init__(self, session: Any) -> None:
            self.session = session
            self.sizes: list[int] = []

        def run(self, outputs: list[str], inputs: dict[str, Any]) -> Any:
            self.sizes.append(len(inputs["images"]))
            return self.session.run(outputs, inputs)

    model = open_onnx(exported[0])
    expected = [model.predict(digits.images[row : row + 1]) for row in range(0, 1000, 111)]
    recorder = Recorder(model.session)
    model.session = recorder
    predictions = api.predict(model, digits.images[:1000])["predictions"]
    assert max(recorder.sizes) == 64 and sum(recorder.sizes) == 1000
    for alone, together in zip(expected, predictions[::111], strict=True):
        assert alone.as_json([together["image"]])[0]["label"] == together["label"]


def test_prediction_sets_of_the_file_are_those_of_the_run(
    exported: tuple[Path, Mapping[str, Any]], run: Path, digits: Dataset
) -> None:
    results = [
        api.predict(model, digits.images[:50], coverage=0.95)["calibration"]
        for model in (exported[0], run)
    ]
    assert results[0] == results[1]


def test_the_int8_file_is_smaller_and_its_cost_is_reported(
    exported: tuple[Path, Mapping[str, Any]], digits: Dataset
) -> None:
    small = exported[1]["int8"]
    assert Path(small["onnx"]).name == "model-int8.onnx"
    assert small["bytes"] < exported[1]["bytes"]
    assert (
        small["top1_agreement"] > 0.95 and abs(small["accuracy"] - small["float_accuracy"]) < 0.03
    )
    assert small["ms_per_image"]["64"] > 0 and small["float_ms_per_image"]["1"] > 0
    assert open_model(Path(small["onnx"])).predict(digits.images[:3]).probabilities.shape == (3, 10)


class Darker(Network):
    def forward(self, images: Any) -> Any:
        return super().forward(images // 3)


class WrongEnergy(Network):
    def forward(self, images: Any) -> Any:
        probabilities, energy_scores = super().forward(images)
        return probabilities, energy_scores + 0.1


@pytest.mark.parametrize("wrong", [Darker, WrongEnergy])
def test_a_file_that_does_not_reproduce_its_run_is_not_written(
    wrong: type[Network], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_serialise, "Network", wrong)
    with pytest.raises(
        RunFailed, match=r"so it was not written: \d+ of 270 validation images change class"
    ):
        api.export(run, out=tmp_path / "model.pt2", form="torch")
    assert not (tmp_path / "model.pt2").exists()


def test_a_torch_program_reproduces_the_run_and_holds_no_pickle(
    run: Path, headstart: Command
) -> None:
    status, out, err = headstart("export", run, "--format", "torch", "-o", "model.pt2", "--json")
    assert status == 0, err
    assert json.loads(out)["parity"]["top1_agreement"] == 1
    with zipfile.ZipFile("model.pt2") as archive:
        for name in archive.namelist():
            assert not archive.read(name).startswith((b"\x80", b"PK")), name
            assert str(Path(__file__).parents[2]).encode() not in archive.read(name)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("mlp", {"nodes": 16}),
        ("cnn", {"nodes": 4, "layers": 2}),
        ("efficientnet-lite0", {"input_px": 32, "transfer": "finetune"}),
        ("efficientnet-lite0", {"input_px": 32, "transfer": "finetune", "cut": "blocks.1"}),
        (
            "timm/test_resnet",
            {"pretrained": False, "input_px": 64, "cut": "layer2"},
        ),  # resized otherwise: bilinear
        ("timm/test_resnet", {"pretrained": False, "input_px": 32}),
    ],
)
def test_other_networks_are_exported_too(
    model: str, options: dict[str, Any], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    shape = (256, 260, 3) if model == "cnn" else (12, 10, 3)  # the cnn reduces large images
    images = (rng.integers(0, 120, (200, *shape)) + 100 * labels[:, None, None, None]).astype(
        np.uint8
    )
    dataset = load((images, np.array(["no", "yes"])[labels]))
    train(
        TrainingJob(
            make_recipe(model, {"epochs": 1, **options}),
            SplitDataset(dataset, make_split(dataset, validation=0.3)),
            0,
            tmp_path / "run",
        ),
    )
    result = api.export(tmp_path / "run", data=dataset)
    assert result["onnx"] == str(tmp_path / "run" / "model.onnx")
    assert result["parity"]["max_difference"] < 1e-4


@pytest.mark.parametrize("is_seen_elsewhere", [False, True])
def test_an_activation_in_place_is_replaced_where_nothing_else_sees_it(
    is_seen_elsewhere: bool,
) -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            doubled = 2 * x
            input = doubled.view(-1, 1) if is_seen_elsewhere else doubled
            limited = nn.functional.relu6(input, inplace=True)
            return doubled + limited.flatten()

    x = torch.linspace(-5, 5, 11)
    expected = Net()(x.clone())
    program = torch.export.export(Net(), (x,))
    _serialise._replace_in_place(program)
    activations = {str(node.target) for node in program.graph.nodes} & {
        "aten.relu6.default", "aten.relu6_.default"
    }  # fmt: skip
    assert activations == {"aten.relu6_.default" if is_seen_elsewhere else "aten.relu6.default"}
    assert torch.equal(program.module()(x.clone()), expected)


def test_an_activation_in_place_on_a_part_of_a_tensor_stays() -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            doubled = 2 * x
            first, _ = doubled.chunk(2)
            nn.functional.relu6(first, inplace=True)
            return doubled

    x = torch.linspace(-5, 5, 10)
    program = torch.export.export(Net(), (x,))
    _serialise._replace_in_place(program)
    assert torch.equal(program.module()(x.clone()), Net()(x.clone()))


def test_small_probabilities_of_two_classes_keep_their_logarithms_in_another_runtime() -> None:
    """Calibration takes logarithms, and the sigmoid of ONNX Runtime is 0 below -18."""

    class Probabilities(nn.Module):
        def forward(self, logits: torch.Tensor) -> torch.Tensor:
            return to_probabilities(logits)

    logits = torch.tensor([[-40.0], [-22.0], [-17.0], [0.0], [19.0], [60.0]])
    program = torch.onnx.export(Probabilities().eval(), (logits,), dynamo=True, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    result = session.run(None, {session.get_inputs()[0].name: logits.numpy()})[0]
    expected = torch.cat([-logits, logits], 1).double().sigmoid()
    assert np.allclose(np.log(result), expected.log(), atol=1e-4)
    assert np.allclose(to_probabilities(logits).log(), expected.log(), atol=1e-4)


def test_the_error_for_missing_data_names_the_option(tmp_path: Path, headstart: Command) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz",
        images=rng.integers(0, 256, (60, 6, 6)).astype(np.uint8),
        labels=np.arange(60) % 2,
    )
    assert headstart("train", "d.npz", "--model", "mlp", "--epochs", 1, "--out", "run")[0] == 0
    (tmp_path / "d.npz").rename(tmp_path / "moved.npz")
    status, _, err = headstart("export", "run")
    assert status == 2 and "d.npz, which no longer exists" in err and "--data" in err
    status, _, err = headstart("train", "--repeat", "run")
    assert status == 2 and "headstart train --repeat run DATA" in err
    _, data = reopen_run(Path("run"), "moved.npz")
    assert len(data.dataset) == 60 and len(data.split.train)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["run", "-o", "model.pb"], "ends in .onnx"),
        (["run", "--format", "torch", "--int8"], "--int8 writes an ONNX file"),
    ],
)
def test_an_invalid_export_is_reported(words: list[str], message: str, headstart: Command) -> None:
    status, _, err = headstart("export", *words)
    assert status == 2 and message in err


def test_an_export_replaces_neither_a_report_nor_a_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("recipe.json", "classifier.json", "report.html"):
        (run / name).write_text("{}")
    with pytest.raises(InputError, match=r"report\.html is a file of a run or study"):
        api.export(run, out=run / "report.html", page=True)
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(InputError, match="expected a file, got the folder"):
        api.export(run, out=tmp_path / "model.onnx")


def test_predict_with_an_onnx_file_imports_no_large_library(
    exported: tuple[Path, Mapping[str, Any]], digits: Dataset, tmp_path: Path
) -> None:
    Image.fromarray(digits.images[0, :, :, 0]).save(tmp_path / "0.png")
    script = (
        "import sys\n"
        "sys.argv = ['headstart', 'predict', '--onnx', sys.argv[1], sys.argv[2], '--json']\n"
        "from headstart.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "unused = {'torch', 'scipy', 'sklearn', 'ssl', 'headstart.data._load'}\n"
        "assert not unused & {*sys.modules}, unused & {*sys.modules}"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, exported[0], tmp_path / "0.png"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predictions"][0]["label"] == "0"


def test_the_next_command_of_an_exported_file_takes_such_a_file(
    exported: tuple[Path, Mapping[str, Any]], digits: Dataset, tmp_path: Path, headstart: Command
) -> None:
    Image.fromarray(digits.images[0, :, :, 0]).save(tmp_path / "0.png")
    for words in ([exported[0]], ["--onnx", exported[0]]):
        status, out, err = headstart("predict", *words, "0.png")
        assert status == 0, err
        assert out.splitlines()[-1] == f"Next: headstart serve {exported[0]}"


def test_a_foreign_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"cannot open .*a\.onnx"):
        open_model(tmp_path / "a.onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value]
    )
    graph.output[0].name = "y"
    model = onnx.helper.make_model(
        graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 20)]
    )
    (tmp_path / "b.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"b\.onnx is an ONNX file that Headstart did not export"):
        open_model(tmp_path / "b.onnx")
    with pytest.raises(InputError, match=r"cannot read .*c\.onnx: No such file"):
        open_model(tmp_path / "c.onnx")


def test_the_example_in_the_docs_needs_onnx_runtime_alone(
    exported: tuple[Path, Mapping[str, Any]], digits: Dataset, tmp_path: Path
) -> None:
    (example,) = re.findall(
        r"```python\n(# with_onnx_alone\.py\n.*?)```", (DOCS / "use.md").read_text(), re.S
    )
    assert example.count("\n") <= 30
    assert "headstart" not in example.replace("headstart export", "")
    (tmp_path / "example.py").write_text(example)
    picture = io.BytesIO()
    Image.fromarray(digits.images[0, :, :, 0]).resize((8, 8)).save(picture, "PNG")
    (tmp_path / "0.png").write_bytes(picture.getvalue())
    words = [
        sys.executable,
        str(tmp_path / "example.py"),
        str(exported[0]),
        str(tmp_path / "0.png"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    model = open_model(exported[0])
    best = model.predict(open_images([tmp_path / "0.png"], ["0.png"], model))
    assert done.stdout.splitlines()[0].split() == [
        best.labels[0],
        f"{best.probabilities.max():.1%}",
    ]
