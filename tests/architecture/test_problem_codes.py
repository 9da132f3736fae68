"""Every problem code that the sources raise is explained in docs/reference/problem-codes.md."""

import re

from tests.architecture.sources import PRODUCT, sources
from tests.support.paths import REPOSITORY

RAISED = re.compile(
    r"(?:ServiceProblem|JobProblem|MediaError|DatasetError|from_code|Failure|PhraseRejected|Misfit)"
    r'\(\s*"([a-z0-9_]+)"'
)


def test_every_problem_code_is_documented() -> None:
    page = (REPOSITORY / "docs" / "reference" / "problem-codes.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z0-9_]+)`", page))
    raised = {
        code
        for source in sources(PRODUCT)
        for code in RAISED.findall((REPOSITORY / source.path).read_text(encoding="utf-8"))
    }
    assert len(raised) > 60
    assert raised - documented == set()
