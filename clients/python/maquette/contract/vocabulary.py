"""The closed vocabulary of the default engine: COCO's 80 classes, synonyms, plurals, colours, extremes."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from maquette.contract.problems import Problem


class UnknownPhrase(ValueError):
    """A phrase lies outside the closed vocabulary of an engine."""

    def __init__(self, phrase: str, vocabulary: Sequence[str]) -> None:
        super().__init__(phrase)
        self.phrase = phrase
        self.vocabulary = tuple(vocabulary)

    def problem(self) -> Problem:
        """Return the problem that the service answers with, which lists the vocabulary."""
        return Problem.from_code(
            "unknown_phrase",
            422,
            f"the default engine does not know {self.phrase!r}: use a phrase of its vocabulary, or run SAM 3 "
            "(see docs/sam3.md)",
            suggestions=find_similar(self.phrase) or None,
            vocabulary=list(self.vocabulary),
        )


COCO: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow",
    "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee",
    "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard",
    "tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch",
    "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

SYNONYMS: dict[str, str] = {
    "human": "person", "human being": "person", "people": "person", "man": "person", "woman": "person",
    "boy": "person", "girl": "person", "child": "person", "kid": "person", "guy": "person", "lady": "person",
    "adult": "person", "pedestrian": "person", "baby": "person", "toddler": "person", "player": "person",
    "bike": "bicycle", "cycle": "bicycle", "automobile": "car", "auto": "car", "sedan": "car", "taxi": "car",
    "cab": "car", "suv": "car", "motorbike": "motorcycle", "scooter": "motorcycle", "moped": "motorcycle",
    "plane": "airplane", "aeroplane": "airplane", "aircraft": "airplane", "jet": "airplane",
    "coach": "bus", "minibus": "bus", "locomotive": "train", "lorry": "truck", "pickup": "truck",
    "pickup truck": "truck", "ship": "boat", "sailboat": "boat", "canoe": "boat", "kayak": "boat",
    "traffic signal": "traffic light", "stoplight": "traffic light", "hydrant": "fire hydrant",
    "pigeon": "bird", "duck": "bird", "gull": "bird", "seagull": "bird", "kitty": "cat", "kitten": "cat",
    "puppy": "dog", "doggy": "dog", "hound": "dog", "pony": "horse", "foal": "horse", "lamb": "sheep",
    "cattle": "cow", "bull": "cow", "calf": "cow", "ox": "cow", "rucksack": "backpack",
    "knapsack": "backpack",
    "schoolbag": "backpack", "parasol": "umbrella", "purse": "handbag", "hand bag": "handbag",
    "necktie": "tie", "luggage": "suitcase", "baggage": "suitcase", "trolley case": "suitcase",
    "flying disc": "frisbee", "ski": "skis", "ball": "sports ball", "football": "sports ball",
    "soccer ball": "sports ball", "basketball": "sports ball", "tennis ball": "sports ball",
    "bat": "baseball bat", "racket": "tennis racket", "racquet": "tennis racket",
    "tennis racquet": "tennis racket", "water bottle": "bottle", "flask": "bottle", "wineglass": "wine glass",
    "goblet": "wine glass", "mug": "cup", "teacup": "cup", "coffee cup": "cup", "doughnut": "donut",
    "hotdog": "hot dog", "gateau": "cake", "armchair": "chair", "stool": "chair", "seat": "chair",
    "sofa": "couch", "settee": "couch", "houseplant": "potted plant", "plant": "potted plant",
    "pot plant": "potted plant", "plant pot": "potted plant", "flower pot": "potted plant",
    "table": "dining table",
    "desk": "dining table", "television": "tv", "tv set": "tv", "monitor": "tv", "screen": "tv",
    "tv monitor": "tv", "notebook computer": "laptop", "laptop computer": "laptop", "computer mouse": "mouse",
    "remote control": "remote", "tv remote": "remote", "computer keyboard": "keyboard",
    "phone": "cell phone", "cellphone": "cell phone", "mobile phone": "cell phone",
    "smartphone": "cell phone",
    "mobile": "cell phone", "microwave oven": "microwave", "stove": "oven", "cooker": "oven",
    "washbasin": "sink", "basin": "sink", "fridge": "refrigerator", "freezer": "refrigerator",
    "wall clock": "clock", "alarm clock": "clock", "pair of scissors": "scissors", "teddy": "teddy bear",
    "stuffed bear": "teddy bear", "hair dryer": "hair drier", "hairdryer": "hair drier",
    "blow dryer": "hair drier", "tooth brush": "toothbrush",
}  # fmt: skip

SUPERCATEGORIES: dict[str, tuple[str, ...]] = {
    "vehicle": ("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    "animal": ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    "pet": ("cat", "dog"),
    "bag": ("backpack", "handbag", "suitcase"),
    "fruit": ("banana", "apple", "orange"),
    "vegetable": ("broccoli", "carrot"),
    "food": (
        "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake",
    ),
    "furniture": ("bench", "chair", "couch", "bed", "dining table"),
    "cutlery": ("fork", "knife", "spoon"),
    "glass": ("wine glass", "cup"),
}  # fmt: skip

COLORS: tuple[str, ...] = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey",
)  # fmt: skip
_COLOR_WORDS: dict[str, str] = {**{name: name for name in COLORS}, "gray": "grey", "violet": "purple"}

EVERYTHING = frozenset({"everything", "object", "thing", "item"})

Extreme = Literal["largest", "smallest", "leftmost", "rightmost"]
_EXTREME_WORDS: dict[str, Extreme] = {
    "largest": "largest", "biggest": "largest", "smallest": "smallest", "tiniest": "smallest",
    "leftmost": "leftmost", "rightmost": "rightmost",
}  # fmt: skip

_IRREGULAR: dict[str, str] = {
    "men": "man", "women": "woman", "children": "child", "mice": "mouse", "knives": "knife", "buses": "bus",
    "calves": "calf", "oxen": "ox", "geese": "goose", "persons": "person", "ladies": "lady", "babies": "baby",
}  # fmt: skip
_LEADING = re.compile(r"^(?:(?:a|an|the|all|every|each|some|any|of|this|that|these|those|my)\s+)+")


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed phrase: classes to detect, and a colour and an extreme to select among the detections."""

    classes: tuple[str, ...]
    color: str | None = None
    extreme: Extreme | None = None
    everything: bool = False


def parse_phrase(phrase: str) -> Query:
    """Parse a phrase such as "the largest red cars"; raises UnknownPhrase when it names no class.

    Colours and extremes precede the class. Case, articles, hyphens, full-width characters, final punctuation
    and plurals do not matter.
    """
    words = _normalise(phrase)
    color: str | None = None
    extreme: Extreme | None = None
    while True:
        words = _LEADING.sub("", words)
        if any(word in EVERYTHING for word in _singulars(words)):
            return Query(COCO, color, extreme, everything=True)
        if classes := _classes(words):
            return Query(classes, color, extreme)
        first, _, rest = words.partition(" ")
        if first in _COLOR_WORDS and color is None:
            color = _COLOR_WORDS[first]
        elif first in _EXTREME_WORDS and extreme is None:
            extreme = _EXTREME_WORDS[first]
        else:
            raise UnknownPhrase(phrase, COCO)
        words = rest


def find_similar(phrase: str) -> list[str]:
    """Return known words, three at most, that are spelt like a phrase or like its last word."""
    known = [*COCO, *SYNONYMS, *SUPERCATEGORIES]
    words = _normalise(phrase)
    last = words.rpartition(" ")[2]
    return [*dict.fromkeys(get_close_matches(words, known) + get_close_matches(last, known))][:3]


def _normalise(phrase: str) -> str:
    words = unicodedata.normalize("NFKC", phrase).casefold()
    return re.sub(r"[-_\s]+", " ", words).strip(" .,;:!?'\"")


def _classes(words: str) -> tuple[str, ...]:
    for candidate in _singulars(words):
        if candidate in _CANONICAL:
            return (candidate,)
        if candidate in SYNONYMS:
            return (SYNONYMS[candidate],)
        if candidate in SUPERCATEGORIES:
            return SUPERCATEGORIES[candidate]
    return ()


def _singulars(words: str) -> list[str]:
    """Return the phrase itself, then with its last word in possible singular forms."""
    head, _, last = words.rpartition(" ")
    forms = [last]
    if last in _IRREGULAR:
        forms.append(_IRREGULAR[last])
    if last.endswith("ies"):
        forms.append(last[:-3] + "y")
    if last.endswith("es"):
        forms.append(last[:-2])
    if last.endswith("s"):
        forms.append(last[:-1])
    return [f"{head} {form}" if head else form for form in forms]


_CANONICAL = frozenset(COCO)
