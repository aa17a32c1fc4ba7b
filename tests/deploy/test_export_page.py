"""The page of `headstart export --page`: it classifies in a real browser without a network."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from browsers import axe_violations
from headstart import api
from headstart.classifier import image_statistics
from headstart.data import NpmPackage, Resize, SourceFailed, read_untrusted_image
from headstart.deploy.export import _runtime
from headstart.deploy.server._drawing import place_drawing
from headstart.errors import ResourceError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
Command = Callable[..., tuple[int, str, str]]
SCRIPT = "</script><img src=x onerror=alert(1)>"
NAMES = ("china", SCRIPT)
# Probabilities of the same pixels in WebAssembly and in ONNX Runtime for Python.
ROUNDING = 1e-5
# Grey levels by which blocks of a large JPEG differ, whose decoder averages before it rounds. If
# its colours have half the resolution, the decoder of a browser also smooths them before blocks are
# averaged. At a quarter of the scale, 7 levels were measured for one photograph.
JPEG_LEVELS, HALF_COLOUR_LEVELS = 4, 8
# Pillow 13 resizes tall images along their columns first, as the page does.
TALL_LEVELS = 0 if int(PIL.__version__.split(".")[0]) >= 13 else 8


class Exported(NamedTuple):
    """A run of parts of photographs, and what was exported from it."""

    run: Path
    onnx: Path
    page: Path
    result: Any


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ONNX Runtime Web, from the user's own cache or from the npm registry."""
    folder = tmp_path_factory.mktemp("runtime")
    try:
        opened = _runtime.open_runtime()
    except ResourceError as error:
        pytest.skip(f"ONNX Runtime Web cannot be had here: {error}")
    contents = (opened.code, opened.binary)
    for name, content in zip(_runtime.PACKAGE.files, contents, strict=True):
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """The two photographs of scikit-learn, 640x427."""
    return list(load_sample_images().images)


@pytest.fixture(scope="module")
def exported(
    photographs: list[np.ndarray], runtime: Path, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """A net that tells parts of two photographs apart. One class name ends a script element."""
    rng = np.random.default_rng(0)
    images, labels = [], []
    for index in range(900):
        photograph = photographs[index % 2]
        top, left = rng.integers(0, np.array(photograph.shape[:2]) - 200)
        part = Image.fromarray(photograph[top : top + 200, left : left + 200])
        images.append(np.asarray(part.resize((24, 24))))
        labels.append(NAMES[index % 2])

    folder = tmp_path_factory.mktemp("exported")
    data = (np.stack(images), np.array(labels))
    run, onnx, page = folder / "run", folder / "model.onnx", folder / "model.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        api.train(data, model="cnn", nodes=8, epochs=3, out=run)
        api.export(run, data=data, out=onnx)
        result = api.export(run, data=data, out=page, page=True, runtime=runtime)
    return Exported(run, onnx, page, result)


@pytest.fixture(scope="module")
def digits_page(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a dense net for digits, which accepts drawings."""
    folder = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        api.train("digits", model="mlp", epochs=4, out=folder / "run")
        api.export(folder / "run", out=folder / "page.onnx")
        api.export(folder / "run", out=folder / "page.html", page=True, runtime=runtime)
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium with a camera that shows a test picture."""
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *camera]
        )
        yield started
        started.close()


@contextmanager
def opened(browser: Any, path: Path, **options: Any) -> Iterator[Any]:
    """Open a page as a file with the network off. At the end it must have had no problem."""
    problems: list[str] = []

    def check_request(request: Any) -> None:
        if not request.url.startswith((path.as_uri(), "blob:", "data:")):
            problems.append(request.url)

    context = browser.new_context(**options)
    context.set_offline(True)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", check_request)
    page.goto(path.as_uri())
    page.evaluate("network.then(() => true)")
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def page(browser: Any, exported: Exported) -> Iterator[Any]:
    """The page of the photographs."""
    with opened(browser, exported.page) as page:
        yield page


def prediction_of(page: Any) -> Any:
    """Wait for a prediction, and return it."""
    page.locator("#bars li").first.wait_for()
    return page.evaluate("shown")


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encode_jpeg(image: Image.Image, orientation: int = 1) -> bytes:
    """Return a JPEG with colours at the full resolution."""
    exif = with_orientation(orientation)
    return encode(image, "JPEG", quality=95, subsampling=0, exif=exif)


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def test_photographs_get_the_probabilities_of_predict(
    exported: Exported, photographs: list[np.ndarray], page: Any, tmp_path: Path
) -> None:
    china, flower = map(Image.fromarray, photographs)
    noise = np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)
    files = {
        "china.png": encode(china, "PNG"),
        "flower.webp": encode(flower, "WEBP"),
        "small.jpg": encode(china.resize((60, 40)), "JPEG"),
        "turned.png": encode(flower, "PNG", exif=with_orientation(6)),
        "part.png": encode(flower.crop((200, 100, 400, 300)), "PNG"),
        "noise.png": encode(Image.fromarray(noise), "PNG"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    expected = api.predict(exported.onnx, [str(tmp_path / name) for name in files])

    for prediction in expected["predictions"]:
        page.evaluate("reset()")
        page.set_input_files("#file", prediction["image"])
        shown = prediction_of(page)
        assert shown["label"] == prediction["label"]
        assert shown["unfamiliar"] == prediction["unfamiliar"]
        assert shown["probabilities"] == pytest.approx(prediction["probabilities"], abs=ROUNDING)
        assert page.locator("#remark").is_visible() == prediction["unfamiliar"]
    flags = {Path(each["image"]).name: each["unfamiliar"] for each in expected["predictions"]}
    assert flags["noise.png"] and not flags["part.png"]


def test_a_large_jpeg_gets_almost_the_probabilities_of_predict(
    exported: Exported, photographs: list[np.ndarray], page: Any, tmp_path: Path
) -> None:
    photograph = tmp_path / "china.jpg"
    photograph.write_bytes(encode(Image.fromarray(photographs[0]), "JPEG", quality=90))
    (expected,) = api.predict(exported.onnx, str(photograph))["predictions"]
    page.set_input_files("#file", photograph)
    shown = prediction_of(page)
    assert shown["label"] == expected["label"]
    assert shown["probabilities"] == pytest.approx(expected["probabilities"], abs=0.01)


KINDS: dict[str, tuple[Callable[[Image.Image], bytes], int]] = {
    "colour": (lambda image: encode(image, "PNG"), 0),
    "grey": (lambda image: encode(image.convert("L"), "PNG"), 0),
    "palette": (lambda image: encode(image.convert("P"), "PNG"), 0),
    "half transparent": (
        lambda image: encode(Image.merge("RGBA", (*image.split(), image.convert("L"))), "PNG"),
        0,
    ),
    "sideways": (lambda image: encode(image, "PNG", exif=with_orientation(8)), TALL_LEVELS),
    "WebP": (lambda image: encode(image, "WEBP"), 0),
    "JPEG": (encode_jpeg, JPEG_LEVELS),
    "JPEG with half the colours": (lambda image: encode(image, "JPEG"), HALF_COLOUR_LEVELS),
    "upside down JPEG": (lambda image: encode_jpeg(image, 3), JPEG_LEVELS),
    "sideways JPEG": (lambda image: encode_jpeg(image, 6), JPEG_LEVELS + TALL_LEVELS),
    "mirrored sideways JPEG": (lambda image: encode_jpeg(image, 7), JPEG_LEVELS + TALL_LEVELS),
    "grey JPEG": (lambda image: encode(image.convert("L"), "JPEG"), JPEG_LEVELS),
    "large JPEG": (lambda image: encode(image.resize((2562, 1710)), "JPEG"), JPEG_LEVELS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_resizes_as_predict_does(
    kind: str, photographs: list[np.ndarray], page: Any
) -> None:
    make_content, levels = KINDS[kind]
    content = make_content(Image.fromarray(photographs[1]))
    cases: list[tuple[tuple[int, int, int], Resize]] = [
        ((224, 224, 3), "crop"),
        ((96, 64, 3), "pad"),
        ((50, 80, 3), "squish"),
        ((28, 28, 1), "pad"),
        ((700, 700, 3), "crop"),
    ]
    for shape, resize in cases:
        text = page.evaluate(
            """async ([text, shape, resize]) => {
                const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
                const image = await readImage(new Blob([bytes]), shape, resize);
                return btoa(Array.from(image.data, (each) => String.fromCharCode(each)).join(""));
            }""",
            [base64.b64encode(content).decode(), shape, resize],
        )
        pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape)
        difference = np.abs(pixels.astype(int) - read_untrusted_image(content, shape, resize))
        assert difference.max() <= levels, (shape, resize)
        assert difference.mean() <= levels / 10, (shape, resize)


def test_a_drawing_is_placed_as_by_the_server(page: Any) -> None:
    rng = np.random.default_rng(2)
    for trial in range(6):
        sheet = Image.new("L", (120, 120), 255)
        points = [tuple(map(int, rng.integers(5, 115, 2))) for _ in range(4)]
        ImageDraw.Draw(sheet).line(points, 0, int(rng.integers(3, 12)))
        levels = np.asarray(sheet)
        height, width = ((28, 28), (8, 8), (20, 32))[trial % 3]
        for has_margin in (True, False):
            placed = page.evaluate(
                """([levels, height, width, hasMargin]) => {
                    const pixels = levels.flatMap((level) => [level, level, level, 255]);
                    const data = Uint8ClampedArray.from(pixels);
                    const sheet = { width: 120, height: 120, channels: 4, data };
                    return [...placeDrawing(sheet, width, height, hasMargin).data];
                }""",
                [levels.ravel().tolist(), height, width, has_margin],
            )
            shape = (height, width, 1)
            expected = place_drawing(255 - levels, shape, with_margin=has_margin)
            assert expected is not None
            assert placed == expected.ravel().tolist()


@pytest.mark.parametrize("shape", [(24, 24, 3), (8, 8, 1), (3, 50, 1), (65, 33, 3)])
def test_the_statistics_of_images_are_those_of_predict(
    shape: tuple[int, int, int], page: Any
) -> None:
    image = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    height, width, channels = shape
    values = page.evaluate(
        "([data, height, width, channels]) => imageStatistics({ width, height, channels, data })",
        [image.ravel().tolist(), height, width, channels],
    )
    assert values == pytest.approx(image_statistics(image[None])[0].tolist(), abs=1e-4)


def test_costs_decide_as_in_predict(page: Any) -> None:
    decide = "(costs) => { card.costs = costs; return decide([0.7, 0.3]); }"
    assert page.evaluate(decide, None) == 0
    assert page.evaluate(decide, [[0, 1], [9, 0]]) == 1


def test_the_page_states_the_model_and_has_a_policy_against_requests(
    exported: Exported, page: Any
) -> None:
    result = exported.result
    assert result["page"] == str(exported.page) and result["onnx"] is None
    assert result["bytes"] == exported.page.stat().st_size < 15_000_000
    assert result["parity"]["top1_agreement"] == 1
    facts = page.locator("#facts").inner_text()
    accuracy = json.loads((exported.run / "metrics.json").read_text())["validation"]["accuracy"]
    assert re.search(rf"Validation accuracy\s+{100 * accuracy:.1f}%", facts)
    assert re.search(r"Model\s+cnn", facts) and re.search(r"Page written\s+\d{4}-\d\d-\d\d", facts)
    policy = page.locator("meta[http-equiv]").get_attribute("content")
    assert policy.startswith("default-src 'none';") and "connect-src" not in policy
    assert "*" not in policy and "http" not in policy


def test_a_class_name_cannot_end_its_element(
    exported: Exported, photographs: list[np.ndarray], page: Any, tmp_path: Path
) -> None:
    assert SCRIPT not in exported.page.read_text()
    Image.fromarray(photographs[1]).save(tmp_path / "flower.png")
    page.set_input_files("#file", tmp_path / "flower.png")
    assert prediction_of(page)["label"] == SCRIPT
    assert page.locator("#answer b").inner_text() == SCRIPT
    assert page.locator("img[src=x]").count() == 0


def test_long_class_names_are_shown_to_their_ends(page: Any) -> None:
    names = [f"photograph-of-a-hand-that-shows-{number}" for number in ("seven", "eight")]
    page.evaluate(
        "(names) => showPrediction({ label: names[0], "
        "probabilities: { [names[0]]: 0.9, [names[1]]: 0.1 } })",
        names,
    )
    cut = (
        "[...document.querySelectorAll('.bars .name')].map((e) => "
        "e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight)"
    )
    assert page.evaluate(cut) == [False] * 2


def test_short_class_names_and_probabilities_are_not_cut(page: Any) -> None:
    page.evaluate("showPrediction({ label: 'mmmmmmm', probabilities: { mmmmmmm: 0.9, il: 0.1 } })")
    cut = (
        "[...document.querySelectorAll('.name, .share')].map((e) => e.scrollWidth > e.clientWidth)"
    )
    assert page.evaluate(cut) == [False] * 4
    fills = "[...document.querySelectorAll('.track')].map((e) => e.getBoundingClientRect().left)"
    assert len(set(page.evaluate(fills))) == 1


def test_an_image_that_arrives_before_the_model_waits_for_it(
    browser: Any, exported: Exported
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        """const hold = new Promise((release) => (window.release = release));
        Response.prototype.arrayBuffer = ((original) => async function () {
            await hold;
            return original.call(this);
        })(Response.prototype.arrayBuffer);"""
    )
    page.goto(exported.page.as_uri())
    pixel = encode(Image.new("RGB", (30, 30), "green"), "PNG")
    file = {"name": "green.png", "mimeType": "image/png", "buffer": pixel}
    page.set_input_files("#file", files=[file])
    page.get_by_text("Starting the model").wait_for()
    page.evaluate("release()")
    assert prediction_of(page)["label"] in NAMES
    context.close()


def test_a_file_that_is_not_an_image_is_reported(page: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    page.set_input_files("#file", tmp_path / "bad.png")
    page.get_by_text("cannot read the file as an image").wait_for()
    assert page.locator("#bars li").count() == 0


def test_the_camera_is_classified(page: Any) -> None:
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Turn camera on").click()
    page.get_by_role("button", name="Take picture").click()
    assert set(prediction_of(page)["probabilities"]) == set(NAMES)
    assert page.locator("#seen").is_visible()


def test_the_keyboard_draws_what_predict_classifies(browser: Any, digits_page: Path) -> None:
    with opened(browser, digits_page) as page:
        page.locator("#pad").focus()
        for key in (*["ArrowUp"] * 12, " ", *["ArrowDown"] * 24, *["ArrowRight"] * 9, " "):
            page.keyboard.press(key)
        shown = prediction_of(page)
        drawing = page.evaluate(
            "drawingAsBlob().then(async (blob) => [...new Uint8Array(await blob.arrayBuffer())])"
        )
        ink = 255 - read_untrusted_image(bytes(drawing), None, "pad")[..., 0]
        pixels = place_drawing(ink, (8, 8, 1), with_margin=False)
        assert pixels is not None
        (expected,) = api.predict(digits_page.with_suffix(".onnx"), pixels)["predictions"]
        assert shown["label"] == expected["label"]
        assert shown["probabilities"] == pytest.approx(expected["probabilities"], abs=ROUNDING)
        page.get_by_role("button", name="Clear").click()
        page.get_by_text("No image yet").wait_for()


def test_a_page_for_photographs_has_no_drawing_area(page: Any) -> None:
    assert page.locator("#tab-draw").is_hidden() and page.locator("#panel-photo").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_on_a_phone(
    scheme: str,
    browser: Any,
    exported: Exported,
    photographs: list[np.ndarray],
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme}
    with opened(browser, exported.page, **phone) as page:
        page.set_input_files("#file", tmp_path / "noise.png")
        prediction_of(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        is_light = sum(map(int, background[4:-1].split(","))) > 600
        assert is_light == (scheme == "light")
    with opened(browser, exported.page, bypass_csp=True, **phone) as page:
        page.set_input_files("#file", tmp_path / "noise.png")
        prediction_of(page)
        assert axe_violations(page) == []


def test_the_runtime_is_fetched_once(
    runtime: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    def fetch(_: NpmPackage, folder: Path) -> Path:
        folders.append(folder)
        return runtime

    monkeypatch.setattr(NpmPackage, "fetch", fetch)
    first = _runtime.open_runtime()
    assert _runtime.open_runtime() == first and len(folders) == 1

    cached = next(own_cache.rglob("*.mjs"))
    cached.write_bytes(b"changed")
    assert _runtime.open_runtime() == first and len(folders) == 2
    assert [path.name for path in own_cache.rglob("files.*")] == []


def test_without_a_registry_the_error_names_the_option(
    monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    def fail(*_: object) -> Path:
        raise SourceFailed("there is no network")

    monkeypatch.setattr(NpmPackage, "fetch", fail)
    with pytest.raises(ResourceError, match="did not provide onnxruntime-web") as raised:
        _runtime.open_runtime()
    assert "there is no network" in raised.value.message
    assert "npm pack onnxruntime-web@" in raised.value.hint and "--runtime" in raised.value.hint


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--runtime", "missing.tgz", "--page"], "No such file"),
        (["--runtime", "other.tgz", "--page"], "invalid SHA-512 of onnxruntime-web"),
        (["--runtime", "folder", "--page"], "ort.wasm.bundle.min.mjs has the SHA-256"),
        (["--runtime", "folder"], "--runtime is for a page"),
        (["--page", "--int8"], "--page and --int8 write different files"),
        (["--page", "--format", "torch"], "--page and --format torch write different files"),
        (["--page", "-o", "model.onnx"], "expected a name that ends in .html"),
    ],
)
def test_invalid_words_are_reported(
    words: list[str], message: str, headstart: Command, tmp_path: Path
) -> None:
    (tmp_path / "other.tgz").write_bytes(b"another archive")
    (tmp_path / "folder").mkdir()
    for name in _runtime.PACKAGE.files:
        (tmp_path / "folder" / name).write_bytes(b"another version")
    assert headstart("train", "digits", "--model", "mlp", "--epochs", 1, "--out", "run")[0] == 0
    status, _, errors = headstart("export", "run", *words)
    assert status == 2 and message in " ".join(errors.split())
    assert not (tmp_path / "run" / "model.html").exists()
