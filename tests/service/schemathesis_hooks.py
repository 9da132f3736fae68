"""What schemathesis does not know by itself, and how often it may say the same to an operation."""

from collections import Counter
from typing import Any

import schemathesis

# Requests of the coverage phase that one operation gets of one description. The kinds of a job share most of
# their fields, and a field of the wrong type comes once per kind and type: 4,800 requests for jobs alone.
MOST_ALIKE = 1

# the bytes that tus appends have a media type of their own
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

_seen: Counter[tuple[str, str, str]] = Counter()


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Whether a request is to be sent: the first ones of their description are."""
    description = getattr(case.meta.phase.data, "description", None) if case.meta else None
    if description is None or case.meta.phase.name.value != "coverage":
        return True
    key = (case.method, case.path, description)
    _seen[key] += 1
    return _seen[key] <= MOST_ALIKE
