"""The OpenAPI document: what FastAPI derives, with the errors as they are sent, and examples."""

from typing import Any

from fastapi import FastAPI
from maquette.contract import Problem, examples
from maquette.contract.problems import MEDIA_TYPE
from pydantic.json_schema import models_json_schema

METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})
ERRORS = {
    "4XX": "The request cannot be served; `code` says why, and `detail` what to do",
    "5XX": "The service cannot serve the request now; `Retry-After` may say when to try again",
}
# path -> examples of the body that is posted to it
EXAMPLES = {
    "/v1/jobs": examples.JOBS,
    "/v1/sessions": examples.SESSIONS,
    "/v1/sessions/{session_id}/prompts": examples.PROMPTS,
    "/v1/sessions/{session_id}/propagate": examples.PROPAGATIONS,
    "/v1/artefacts/{sha256}/links": examples.LINKS,
    "/v1/keys": examples.KEYS,
    "/v1/keys/{key_id}/rotate": examples.ROTATIONS,
}
# the form that FastAPI gives errors unless its handlers are replaced
REPLACED_SCHEMAS = ("HTTPValidationError", "ValidationError")


def install(app: FastAPI) -> None:
    """Declare problem+json for every error of an application's operations, and add examples."""
    derive = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = add_examples(require_values(declare_problems(derive())))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def declare_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a Problem as the body of every error, in place of FastAPI's own form."""
    schemas = document["components"]["schemas"]
    for name in REPLACED_SCHEMAS:
        schemas.pop(name, None)
    _, problem = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
    schemas.update(problem["$defs"])
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in document["paths"].values():
        for method, operation in path.items():
            if method not in METHODS:
                continue
            responses = operation["responses"]
            responses.pop("422", None)
            for status, response in responses.items():
                if status >= "400":
                    response["content"] = content
            for status, description in ERRORS.items():
                responses[status] = {"description": description, "content": content}
    return document


def require_values(document: dict[str, Any]) -> dict[str, Any]:
    """The document without null among the values of parameters: text in a header is never null."""
    for path in document["paths"].values():
        for method, operation in path.items():
            for parameter in operation.get("parameters", ()) if method in METHODS else ():
                schema = parameter["schema"]
                choices = [item for item in schema.get("anyOf", ()) if item != {"type": "null"}]
                if len(choices) == 1:
                    del schema["anyOf"]
                    parameter["schema"] = schema | choices[0]
                elif choices:
                    schema["anyOf"] = choices
    return document


def add_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The document with examples of the bodies that are posted as JSON."""
    for path, named in EXAMPLES.items():
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        body["examples"] = {name: example._asdict() for name, example in named.items()}
    return document
