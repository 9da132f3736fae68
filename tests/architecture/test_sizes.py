"""Functions fit on a screen, and files can be read at one sitting."""

from tests.architecture.sources import sources

FUNCTION_LINES = 60
FILE_LINES = 350
# to be split: empty when that is done
LONG_FUNCTIONS = {
    ("storage/ledger/migrations/versions/0001_initial.py", "upgrade"),
}


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{source.path}: {function.name} has {lines} lines"
        for source in sources()
        for function in source.functions()
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
        if (source.path, function.name) not in LONG_FUNCTIONS
    ]
    assert long == []


def test_no_file_is_too_long() -> None:
    long = [f"{source.path} has {source.lines} lines" for source in sources() if source.lines > FILE_LINES]
    assert long == []
