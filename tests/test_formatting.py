"""Numbers and names as text."""

import pytest

from headstart import formatting


@pytest.mark.parametrize(
    ("difference", "signed", "unsigned"),
    [
        (0.031, "+3.1", "3.1"),
        (-0.031, "−3.1", "-3.1"),
        (0.0004, "+0.04", "0.04"),
        (0.00999, "+1.0", "1.0"),
        (0.0, "0.0", "0.0"),
        (-0.00004, "0.0", "0.0"),
        (None, "–", "–"),
    ],
)
def test_differences_are_percentage_points(
    difference: float | None, signed: str, unsigned: str
) -> None:
    assert formatting.points(difference, signed=True) == signed
    assert formatting.points(difference) == unsigned


def test_intervals_keep_the_order_of_their_ends() -> None:
    assert formatting.percent_interval([0.9162, 0.9271]) == "91.6 to 92.7%"
    assert formatting.points_interval((-0.004, 0.0361)) == "−0.4 to +3.6"
    assert formatting.percent_interval(None) == formatting.points_interval(None) == "–"


@pytest.mark.parametrize(
    ("p", "named", "number"),
    [
        (0.512, "p = 0.51", "0.51"),
        (0.0123, "p = 0.012", "0.012"),
        (0.0004, "p < 0.001", "< 0.001"),
        (None, "–", "–"),
    ],
)
def test_p_values_keep_two_or_three_digits(p: float | None, named: str, number: str) -> None:
    assert formatting.p_value(p) == named
    assert formatting.p_number(p) == number


def test_places_in_an_order_have_their_endings() -> None:
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 1003)
    assert " ".join(map(formatting.ordinal, numbers)) == (
        "first 2nd 3rd 4th 11th 12th 13th 21st 22nd 101st 111th 1,003rd"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (85.2, "85 s"),
        (294.1, "4 min 54 s"),
        (300, "5 min"),
        (7500, "2 h 05 min"),
        (7200, "2 h 00 min"),
        (None, "–"),
    ],
)
def test_durations_read_like_speech(seconds: float | None, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.345, "12.35"), (0.21, "0.21"), (0.0987, "0.10"), (0.0031, "0.0031"), (None, "–")],
)
def test_no_measured_time_is_zero_milliseconds(value: float | None, text: str) -> None:
    assert formatting.milliseconds(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.37, "0.4 s"),
        (0.97, "1 s"),
        (0.0, "0 s"),
        (12.4, "12 s"),
        (99.4, "99 s"),
        (180, "3 min"),
        (6100, "1.7 h"),
    ],
)
def test_estimated_durations_have_one_unit(seconds: float, text: str) -> None:
    assert formatting.approximate_duration(seconds) == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "under 1%"), (0.004, "under 1%"), (0.37, "37%"), (0.99, "99%"), (1.0, "over 99%")],
)
def test_an_estimated_probability_is_never_certain(probability: float, text: str) -> None:
    assert formatting.certainty(probability) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, ">99.9%"), (0.9994, "99.9%"), (0.58, "58.0%"), (0.0004, "<0.1%"), (0.0, "<0.1%")],
)
def test_the_probability_of_a_class_is_never_certain(share: float, text: str) -> None:
    assert formatting.probability(share) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999, "999"),
        (999_600, "1.00 M"),
        (13_264, "13.3 k"),
        (11_700_000, "11.7 M"),
        (385e6, "385 M"),
        (1.2e9, "1.20 G"),
        (None, "–"),
    ],
)
def test_large_counts_keep_three_digits(number: float | None, text: str) -> None:
    assert formatting.compact_count(number) == text


def test_a_second_decimal_needs_two_thousand_images() -> None:
    assert formatting.percent(0.92134, 1999) == "92.1%"
    assert formatting.percent(0.92134, 2000) == "92.13%"


def test_counts_agree_with_their_nouns() -> None:
    assert formatting.counted(1, "image") == "1 image"
    assert formatting.counted(10_000, "image") == "10,000 images"
    assert formatting.counted(2, "class", "classes") == "2 classes"


def test_interpolated_counts_and_ratios_keep_two_digits() -> None:
    assert [formatting.interpolated_count(number) for number in (7.3, 12.4, 1312)] == [
        "7",
        "12",
        "1,300",
    ]
    assert [formatting.ratio(number) for number in (0.12, 1.94, 12.4)] == ["0.1", "1.9", "12"]


@pytest.mark.parametrize(
    ("epochs", "solved_heads", "words"),
    [
        (1, 0, "1 epoch"),
        (0.4213, 0, "0.421 epochs"),
        (12.04, 0, "12 epochs"),
        (3.4182, 0, "3.4 epochs"),
        (1, 1, "head solved"),
        (3, 3, "3 heads solved"),
        (2, 1, "head solved, 1 epoch"),
        (14.5, 2, "2 heads solved, 12.5 epochs"),
        (0, 0, "0 epochs"),
    ],
)
def test_a_solved_head_has_no_epochs(epochs: float, solved_heads: int, words: str) -> None:
    assert formatting.training_length(epochs, solved_heads) == words


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, ">99%"), (0.995, ">99%"), (0.994, "99%"), (0.4, "40%"), (0.005, "<1%"), (0.0, "<1%")],
)
def test_no_probability_without_decimals_is_certain(share: float, text: str) -> None:
    assert formatting.whole_probability(share) == text


def test_epochs_of_all_seeds_are_written_once() -> None:
    assert formatting.epochs([6, 6.0, 7]) == "6, 7"
    assert formatting.epochs([0.4213, None]) == "0.421"
    assert formatting.epochs(None) == "–"


def test_nested_settings_become_one_level() -> None:
    nested = {"a": {"b": True, "c": None}, "d": [1, 2], "e": {}, "f": 0.001}
    assert formatting.flat_settings(nested) == {
        "a.b": "yes",
        "a.c": "–",
        "d": "1, 2",
        "e": "–",
        "f": "0.001",
    }


@pytest.mark.parametrize(
    ("names", "phrase"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_names_are_joined_as_in_a_sentence(names: list[str], phrase: str) -> None:
    assert formatting.enumeration(names) == phrase


def test_long_lists_say_how_many_more_there_are() -> None:
    names = ["a", "b", "c"]
    assert formatting.first_names(names, 3) == "a, b, c"
    assert formatting.first_names(names, 1) == "a and 2 more"
    assert formatting.listing(names, 3) == "\n    a\n    b\n    c"
    assert formatting.listing(names, 2) == "\n    a\n    b\n    and 1 more"


def test_each_part_of_a_path_is_isolated() -> None:
    assert formatting.isolate_parts("cat/19.jpg") == "cat/19.jpg"
    assert formatting.isolate_parts("חתול/19.jpg") == "\u2068חתול\u2069/19.jpg"


def test_only_a_name_from_right_to_left_is_isolated() -> None:
    assert formatting.isolate("cat & 猫") == "cat & 猫"
    assert formatting.isolate("חתול") == "\u2068חתול\u2069"
    assert formatting.isolate("قط 3") == "\u2068قط 3\u2069"


def test_names_are_cut_to_one_line() -> None:
    assert formatting.one_line("line\nbreak\x0b") == "line break"
    assert formatting.shorten("x" * 30, 10) == "x" * 9 + "…"
    assert formatting.shorten("猫" * 30, 10) == "猫" * 4 + "…"  # a letter as wide as two
    assert formatting.shorten("猫" * 5, 10) == "猫" * 5
    assert (
        formatting.shorten("e\N{COMBINING ACUTE ACCENT}" * 5, 5)
        == "e\N{COMBINING ACUTE ACCENT}" * 5
    )
    assert formatting.display_name("big  dog 🐶") == "big  dog 🐶"
    assert formatting.display_name("line\nbreak") == "line\\nbreak"
    assert formatting.display_name("x" * 90) == "x" * 79 + "…"
    assert formatting.slug("EfficientNet (random weights)") == "efficientnet-random-weights"
    assert formatting.slug("猫") == "contender"


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("cat", "cat"),
        ("class number 17", "class…umber 17"),
        ("猫" * 10, "猫猫猫…猫猫猫"),
        ("x" * 15, "xxxxxx…xxxxxxx"),
    ],
)
def test_a_name_that_is_cut_keeps_its_end(name: str, cut: str) -> None:
    assert formatting.cut_middle(name, 14) == cut
    assert formatting.name_width(cut) <= 14


@pytest.mark.parametrize(
    ("names", "cut"),
    [
        (("cat", "class number 17"), ["cat", "class…umber 17"]),
        (("kind 0a of numeral", "kind 0b of numeral"), ["kind 0a of nu…", "kind 0b of nu…"]),
        (
            ("long" * 9 + "b" + "tail" * 9, "long" * 9 + "c" + "tail" * 9),
            ["…btailtailtai…", "…ctailtailtai…"],
        ),
        (("golden retriever", "golden labrador retriever"), ["…retriever", "…labrador ret…"]),
    ],
)
def test_names_that_would_look_alike_are_cut_where_they_differ(
    names: tuple[str, ...], cut: list[str]
) -> None:
    assert list(formatting.cut_names(names, 14).values()) == cut
    assert max(map(formatting.name_width, cut)) <= 14


def test_names_that_differ_at_both_ends_still_fit() -> None:
    names = ("a" + "x" * 40 + "bcd", "b" + "x" * 40 + "bcd", "a" + "x" * 40 + "bce")
    shown = formatting.cut_names(names, 5)
    assert list(shown) == list(names)
    assert max(map(formatting.name_width, shown.values())) <= 5


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("cat", ["cat"]),
        ("", [""]),
        ("a name of five words", ["a name of five", "words"]),
        ("Dendroica_pensylvanica_female", ["Dendroica_", "pensylvanica_", "female"]),
        ("x" * 20, ["x" * 14, "x" * 6]),
        ("forty letters in three lines, and no dots", None),
        ("y" * 300, None),
    ],
)
def test_a_name_is_wrapped_in_a_few_lines(name: str, lines: list[str] | None) -> None:
    wrapped = formatting.wrap_name(name, 14).split("\n")
    assert lines is None or wrapped == lines
    assert len(wrapped) <= 3
    kept = "".join(wrapped).replace(" ", "")
    assert ("…" in kept) is (len(name) > 48)
    if len(name) <= 48:
        assert kept == name.replace(" ", "")
