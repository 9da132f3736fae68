"""Phrases in plain words name COCO classes; anything else is refused with the whole vocabulary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maquette.contract.vocabulary import (
    COCO,
    COLORS,
    SUPERCATEGORIES,
    SYNONYMS,
    Query,
    UnknownPhrase,
    parse_phrase,
)


def test_there_are_eighty_classes_and_each_names_itself() -> None:
    assert len(set(COCO)) == len(COCO) == 80
    for name in COCO:
        assert parse_phrase(name).classes == (name,)


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
    assert parse_phrase(phrase).classes == (name,)


def test_every_table_entry_leads_to_a_class() -> None:
    for phrase, name in SYNONYMS.items():
        assert name in COCO
        assert phrase not in COCO
        assert parse_phrase(phrase).classes == (name,)
    for phrase, names in SUPERCATEGORIES.items():
        assert set(names) <= set(COCO)
        assert phrase not in SYNONYMS and phrase not in COCO
        assert parse_phrase(phrase).classes == names


def test_umbrellas_name_several_classes() -> None:
    assert {"car", "truck", "bus"} <= set(parse_phrase("vehicles").classes)
    assert parse_phrase("pets").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("phrase", "query"),
    [
        ("red car", Query(("car",), "red")),
        ("the largest dogs", Query(("dog",), None, "largest")),
        ("Biggest gray cats", Query(("cat",), "grey", "largest")),
        ("yellow smallest cups", Query(("cup",), "yellow", "smallest")),
        ("a white wine glass", Query(("wine glass",), "white")),
        ("orange", Query(("orange",))),
        ("orange oranges", Query(("orange",), "orange")),
        ("hot dog", Query(("hot dog",))),
        ("everything", Query(COCO, everything=True)),
        ("all red objects", Query(COCO, "red", everything=True)),
        ("the leftmost of the people", Query(("person",), None, "leftmost")),
    ],
)
def test_colours_and_extremes_come_before_the_class(phrase: str, query: Query) -> None:
    assert parse_phrase(phrase) == query


def test_every_colour_goes_with_every_class() -> None:
    for color in COLORS:
        assert parse_phrase(f"{color} truck") == Query(("truck",), color)


@pytest.mark.parametrize(
    "phrase",
    [
        "gargoyle",
        "red",
        "red gargoyle",
        "red blue car",
        "car red",
        "largest",
        "",
        "  ",
        "the",
        "s",
        "catss",
        "person in a hat",
        "glassy",
    ],
)
def test_the_unknown_is_refused_with_the_vocabulary(phrase: str) -> None:
    with pytest.raises(UnknownPhrase) as caught:
        parse_phrase(phrase)
    assert caught.value.phrase == phrase
    assert caught.value.vocabulary == COCO


@pytest.mark.parametrize(
    ("phrase", "similar"),
    [
        ("wrench", "bench"),
        ("a red motorbik", "motorbike"),
        ("refridgerator", "refrigerator"),
        ("Bananna", "banana"),
    ],
)
def test_words_that_are_spelt_alike_are_suggested(phrase: str, similar: str) -> None:
    with pytest.raises(UnknownPhrase) as caught:
        parse_phrase(phrase)
    assert similar in (caught.value.problem().suggestions or [])


@given(st.text(max_size=60))
def test_any_text_is_answered_or_refused(phrase: str) -> None:
    try:
        assert set(parse_phrase(phrase).classes) <= set(COCO)
    except UnknownPhrase as refused:
        assert refused.phrase == phrase
