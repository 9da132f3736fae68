"""The blocking client is generated from the asynchronous one, and both have the same public interface."""

import inspect

import maquette
import pytest
from maquette import handles, sessions

from scripts import generate_sync

PAIRS = [
    (maquette.Maquette, maquette.AsyncMaquette),
    (handles.Job, handles.AsyncJob),
    (sessions.VideoSession, sessions.AsyncVideoSession),
]


def test_the_generated_modules_are_up_to_date() -> None:
    assert generate_sync.find_outdated(generate_sync.generate()) == [], "run `make generate`"


@pytest.mark.parametrize(("blocking", "asynchronous"), PAIRS, ids=lambda pair: pair.__name__)
def test_both_clients_have_the_same_methods_and_parameters(blocking: type, asynchronous: type) -> None:
    def describe(client: type) -> dict[str, list[tuple[str, object]]]:
        parameters = {
            name: inspect.signature(method).parameters.values()
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }
        return {name: [(item.name, item.default) for item in actual] for name, actual in parameters.items()}

    assert describe(blocking) == describe(asynchronous)
    assert not any(inspect.iscoroutinefunction(method) for _, method in inspect.getmembers(blocking))


def test_defaults_are_those_of_the_contract() -> None:
    parameters = inspect.signature(maquette.Maquette.bodies).parameters
    assert parameters["max_people"].default == maquette.contract.BodiesJob.model_fields["max_people"].default
