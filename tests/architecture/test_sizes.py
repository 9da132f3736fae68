"""Functions fit on a screen, and files can be read at one sitting."""

from tests.architecture.sources import sources

FUNCTION_LINES = 60
FILE_LINES = 350


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{source.path}: {function.name} has {lines} lines"
        for source in sources()
        for function in source.functions
        if (lines := function.end_line - function.line + 1) > FUNCTION_LINES
    ]
    assert long == []


def test_no_file_is_too_long() -> None:
    long = [f"{source.path} has {source.lines} lines" for source in sources() if source.lines > FILE_LINES]
    assert long == []
