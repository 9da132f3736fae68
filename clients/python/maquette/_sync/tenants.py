# Generated from maquette/_async/tenants.py by scripts/generate_sync.py: do not edit.
"""What the caller's tenant has, as a whole."""

from maquette._sync.http import HttpClient
from maquette.contract import Erasure, Usage
from maquette.http import HttpRequest


def erase(http: HttpClient) -> Erasure:
    """Delete everything of the tenant, in as many requests as that takes."""
    total = Erasure(jobs=0, uploads=0, sessions=0, complete=False)
    while not total.complete:
        response = http.send(HttpRequest(method="DELETE", path="/v1/tenant"))
        deleted = Erasure.model_validate_json(response.content)
        total = Erasure(
            jobs=total.jobs + deleted.jobs,
            uploads=total.uploads + deleted.uploads,
            sessions=total.sessions + deleted.sessions,
            complete=deleted.complete,
        )
    return total


def get_usage(http: HttpClient) -> Usage:
    """Read what the tenant uses and may use."""
    response = http.send(HttpRequest(method="GET", path="/v1/usage"))
    return Usage.model_validate_json(response.content)
