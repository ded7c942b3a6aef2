"""The API's description, OpenAPI 3.1: made of the routes below and the records in :mod:`seq2seq.serving.messages`."""

from dataclasses import is_dataclass
from typing import Any

from seq2seq.serving import messages
from seq2seq.serving.records import object_schema
from seq2seq.serving.settings import ServerSettings
from seq2seq.version import __version__

_JSON, _FORM, _FILES = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_PICTURE = {
    "type": "object",
    "properties": {
        "image": {"type": "string", "contentMediaType": "application/octet-stream", "description": "JPEG, PNG or WebP"},
        "model": {"type": "string"},
        "nbest": {"type": "integer", "minimum": 1, "maximum": 32},
    },
    "required": ["image"],
}


def openapi(settings: ServerSettings) -> dict[str, Any]:
    """The document that ``/openapi.json`` is."""
    records = [one for one in vars(messages).values() if is_dataclass(one)]
    return {
        "openapi": "3.1.0",
        "info": {"title": "seq2seq", "version": __version__, "description": _limits(settings)},
        "paths": _paths(),
        "components": {
            "schemas": {one.__name__: object_schema(one) for one in records},  # type: ignore[union-attr]
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}] if settings.api_key else [],
    }


def _limits(settings: ServerSettings) -> str:
    return (
        f"Limits: {settings.max_body} bytes of body, {settings.max_sentences} sentences of "
        f"{settings.max_characters} characters, {settings.timeout:g} seconds to an answer."
    )


def _paths() -> dict[str, Any]:
    languages = {"type": "array", "items": _reference("Language")}
    detected = {"type": "array", "items": _reference("DetectedLanguage")}
    text = {"type": "string"}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/v1/translate": {
            "post": _operation("Translate", "TranslateResponse", {_JSON: _reference("TranslateRequest")})
        },
        "/v1/score": {
            "post": _operation("Score given translations", "ScoreResponse", {_JSON: _reference("ScoreRequest")})
        },
        "/v1/caption": {"post": _operation("Caption a picture", "CaptionResponse", {_FILES: _PICTURE})},
        "/v1/models": {"get": _operation("The served runs", "ModelsResponse")},
        "/v1/models/{name}/card": {
            "get": _operation("A model card, Markdown", text, media="text/plain") | {"parameters": [name]}
        },
        "/health": {"get": _open(_operation("Alive and ready", "Health", also={"503": _answer("Health", _JSON)}))},
        "/metrics": {"get": _operation("Numbers for Prometheus", text, media="text/plain")},
        "/translate": {"post": _open(_operation("As LibreTranslate", "LibreResponse", _either("LibreRequest")))},
        "/detect": {"post": _open(_operation("As LibreTranslate", detected, _either("DetectRequest")))},
        "/languages": {"get": _open(_operation("As LibreTranslate", languages))},
        "/frontend/settings": {"get": _open(_operation("As LibreTranslate", {"type": "object"}))},
    }


def _operation(
    summary: str,
    response: str | dict[str, Any],
    bodies: dict[str, Any] | None = None,
    *,
    media: str = _JSON,
    also: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An operation with its answers: what it promises, or an error."""
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": _answer(response, media), **(also or {}), "default": _answer("Error", _JSON)},
    }
    if bodies:
        content = {kind: {"schema": schema} for kind, schema in bodies.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(schema: str | dict[str, Any], media: str) -> dict[str, Any]:
    described = _reference(schema) if isinstance(schema, str) else schema
    return {"description": schema if isinstance(schema, str) else "", "content": {media: {"schema": described}}}


def _open(operation: dict[str, Any]) -> dict[str, Any]:
    """One that needs no key in the header: it needs none, or LibreTranslate's field has it."""
    return operation | {"security": []}


def _either(name: str) -> dict[str, Any]:
    return {_JSON: _reference(name), _FORM: _reference(name)}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
