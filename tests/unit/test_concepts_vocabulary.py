"""Phrases in plain words name COCO classes; anything else is refused with the whole vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maquette.contract.vocabulary import COCO, SYNONYMS, UMBRELLAS, UnknownPhrase, classes_of


def test_there_are_eighty_classes_and_each_names_itself() -> None:
    assert len(set(COCO)) == len(COCO) == 80
    for name in COCO:
        assert classes_of(name) == (name,)


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("kitty", "cat"),
        ("Kitties", "cat"),
        ("people", "person"),
        ("the people", "person"),
        ("women", "person"),
        ("Children", "person"),
        ("ladies", "person"),
        ("wine glasses", "wine glass"),
        ("buses", "bus"),
        ("benches", "bench"),
        ("knives", "knife"),
        ("mice", "mouse"),
        ("couches", "couch"),
        ("all sofas", "couch"),
        ("TRAFFIC-LIGHTS", "traffic light"),
        ("cell_phone", "cell phone"),
        ("smartphones", "cell phone"),
        ("teddies", "teddy bear"),
        ("a pair of scissors", "scissors"),
        ("skis", "skis"),
        ("ski", "skis"),
        ("tennis  racquets.", "tennis racket"),
        ("fridge", "refrigerator"),
        ("ｔｒｕｃｋ", "truck"),
        ("bottles", "bottle"),
    ],
)
def test_synonyms_plurals_and_spelling(phrase: str, name: str) -> None:
    assert classes_of(phrase) == (name,)


def test_every_table_entry_leads_to_a_class() -> None:
    for phrase, name in SYNONYMS.items():
        assert name in COCO
        assert phrase not in COCO
        assert classes_of(phrase) == (name,)
    for phrase, names in UMBRELLAS.items():
        assert set(names) <= set(COCO)
        assert phrase not in SYNONYMS and phrase not in COCO
        assert classes_of(phrase) == names


def test_umbrellas_name_several_classes() -> None:
    assert {"car", "truck", "bus"} <= set(classes_of("vehicles"))
    assert classes_of("pets") == ("cat", "dog")


@pytest.mark.parametrize(
    "phrase", ["gargoyle", "red car", "", "  ", "the", "s", "catss", "person in a hat", "glassy"]
)
def test_the_unknown_is_refused_with_the_vocabulary(phrase: str) -> None:
    with pytest.raises(UnknownPhrase) as caught:
        classes_of(phrase)
    assert caught.value.phrase == phrase
    assert caught.value.vocabulary == COCO


@given(st.text(max_size=60))
def test_any_text_is_answered_or_refused(phrase: str) -> None:
    try:
        assert set(classes_of(phrase)) <= set(COCO)
    except UnknownPhrase as refused:
        assert refused.phrase == phrase
