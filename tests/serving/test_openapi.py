"""The server keeps to its own description, whatever is sent."""

import json
from collections.abc import Callable

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from web_client import Client

from seq2seq.serving.app import build_app
from seq2seq.serving.models import Models
from seq2seq.serving.openapi import openapi
from seq2seq.serving.settings import ServerSettings

Start = Callable[..., Client]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CONFORMANCE = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_every_route_is_described(models: Models, server: Client) -> None:
    described = set(server.get("/openapi.json").json["paths"])
    routes = build_app(ServerSettings(runs=()), models)._app.routes
    assert described == {route.path for route in routes if not route.path.startswith("/page/")} - {"/", "/openapi.json"}


def test_the_key_is_described_where_it_is_needed(start: Start) -> None:
    assert openapi(ServerSettings(runs=()))["security"] == []
    assert openapi(ServerSettings(runs=(), api_key="x"))["security"] == [{"key": []}]


def test_answers_fit_the_description(server: Client) -> None:
    """schemathesis: valid and invalid requests of every operation; no 500, and answers as described."""
    operations = [one.ok() for one in schemathesis.openapi.from_url(f"{server.url}openapi.json").get_all_operations()]
    assert len(operations) == 11
    requests = [one.as_strategy(generation_mode=mode) for one in operations for mode in MODES]

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of(requests))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CONFORMANCE)

    check()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(["sentences", "text", "pairs", "q", "source", "target", "format", "beam", "nbest", "tokens"])
OBJECTS = st.dictionaries(FIELDS, JUNK | st.lists(st.text(max_size=20), max_size=3), max_size=5)
BODIES = st.binary(max_size=300) | (JUNK | OBJECTS).map(lambda value: json.dumps(value).encode())
TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]
PATHS = ["/v1/translate", "/v1/score", "/v1/caption", "/translate", "/detect"]


def test_hostile_bodies_are_answered(server: Client, capfd: pytest.CaptureFixture[str]) -> None:
    @settings(max_examples=300, deadline=None, database=None)
    @given(body=BODIES, kind=st.sampled_from(TYPES), path=st.sampled_from(PATHS))
    def check(body: bytes, kind: str, path: str) -> None:
        reply = server.ask("POST", path, body, {"Content-Type": kind})
        assert reply.status == 200 or (400 <= reply.status < 500 and list(reply.json) == ["error"]), reply

    check()
    assert server.post("/v1/translate", {"sentences": ["1 2"]}).status == 200
    assert capfd.readouterr().err == ""
