"""Names are those of the glossary, of Python and of the field: none of a private dialect."""

from tests.architecture.sources import sources

# modules by their subject, not by a metaphor or a participle; docs/glossary.md has the words
MODULES = {
    *("ahead", "agreeing", "belief", "boxed", "crew", "everything", "film", "following", "following_apart"),
    *("heart", "judgement", "legged", "lying", "many_views", "manyviews", "measured", "mending", "meters"),
    *("opened", "pending", "reels", "serial", "several", "showing", "sweeping", "swept", "taken", "turned"),
    "unseen",
}


def test_functions_are_verbs() -> None:
    """`load_mask`, not `mask_of`."""
    nouns = [
        f"{source.path}: {function.name}"
        for source in sources()
        for function in source.functions
        if function.name.endswith("_of")
    ]
    assert nouns == []


def test_modules_have_plain_names() -> None:
    strange = [source.path for source in sources() if source.stem in MODULES]
    assert strange == []
