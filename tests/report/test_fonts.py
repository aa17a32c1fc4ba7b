"""Figure files show class names in any script, or say which letters they cannot show."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from headstart.report.figures import _fonts
from headstart.report.figures._canvas import drawing_style, figure_bytes, new_figure
from headstart.report.figures._fonts import fallback_fonts

SERIF = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSerif.ttf")
LETTER = "\N{LATIN LETTER SMALL CAPITAL OU}"  # in DejaVu Serif, not in DejaVu Sans


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_fonts, "_said", set())
    fallback_fonts.cache_clear()
    yield
    fallback_fonts.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    found = [str(path) for path in paths]
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: found)


def picture(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the pixels of a figure with a class name on an axis."""
    with drawing_style():
        figure = new_figure(2, 1)
        figure.subplots().set_xticks([0.5], [name])
        return np.asarray(Image.open(io.BytesIO(figure_bytes(figure, "png"))))


def test_a_letter_that_the_bundled_font_lacks_comes_from_an_installed_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch)
    box = picture(LETTER)
    assert "no installed font" in capsys.readouterr().err
    fallback_fonts.cache_clear()
    install(monkeypatch, SERIF)
    assert not np.array_equal(picture(LETTER), box)
    assert fallback_fonts(frozenset(LETTER)) == (("DejaVu Serif",), frozenset())
    assert capsys.readouterr().err == ""


def test_letters_without_any_font_are_named_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"no font")
    install(monkeypatch, damaged)
    picture("猫 犬")
    picture("猫 and ∑")
    words = capsys.readouterr().err
    assert words.count("WARNING") == 1
    assert "no installed font has 犬 猫: PNG and SVG figures show boxes" in words


def test_names_that_the_bundled_font_has_look_for_no_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: 1 / 0)
    picture("naïve café, Ελληνικά, кошка, عربي")


def test_a_home_that_cannot_be_written_is_no_concern_of_figures() -> None:
    """Matplotlib writes about it when it is first imported."""
    code = (
        "from headstart.report.figures._canvas import drawing_style, figure_bytes, new_figure\n"
        "with drawing_style():\n"
        "    assert figure_bytes(new_figure(1, 1), 'png')\n"
    )
    environment = {**os.environ, "HOME": "/dev/null", "MPLCONFIGDIR": "/dev/null/x"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
