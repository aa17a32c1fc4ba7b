"""The sentence about subgroups in which two contenders differ."""

from headstart.evaluation import SliceComparison, SliceDifference
from headstart.studies._robustness_sentences import slices_sentence


def subgroup(kind: str, name: str, difference: float) -> SliceDifference:
    return SliceDifference(kind, name, 30, 0.5, 0.5 - difference, difference, 0.3, 0.01)


def test_further_subgroups_have_a_sentence_of_their_own() -> None:
    slices = (
        subgroup("class", "0", -0.029),
        subgroup("similar appearance", "3: brighter on the right", 0.012),
        subgroup("brightness", "darkest fifth", 0.02),
        subgroup("class", "5", 0.02),
    )
    sentence = slices_sentence("a", "b", SliceComparison(0.269, slices, 0))
    assert "+1.2 in similar appearance 3 (brighter on the right)" in sentence
    named = sentence.count(" in ")
    rest = len(slices) - named
    verb = "subgroup deviates" if rest == 1 else "subgroups deviate"
    assert sentence.endswith(f"(4 subgroups compared). {rest} other {verb} significantly, too.")
    one = slices_sentence("a", "b", SliceComparison(0.269, slices[:1], 0))
    assert one.endswith("but −2.9 in class 0 (1 subgroup compared).")
