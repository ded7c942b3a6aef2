"""Records of JSON: what is read fits the schema, what does not fit is refused by name."""

import json
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.config.ranges import Range
from seq2seq.serving import messages
from seq2seq.serving.messages import LibreRequest, ScoreRequest, TranslateRequest
from seq2seq.serving.records import object_schema, read, to_json
from seq2seq.serving.refusal import Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Inner:
    """Within."""

    number: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Outer:
    """All kinds of fields."""

    word: str
    count: Annotated[int, Range(1, 9)] = 3
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    some: Annotated[list[str], Range(1, 2)] | None = None
    either: str | list[str] = ""
    inner: Inner | None = None
    inners: list[Inner] | None = None


RECORDS = [one for one in vars(messages).values() if is_dataclass(one)]


def validator(kind: Any) -> Any:
    kinds = {one.__name__: object_schema(one) for one in [*RECORDS, Inner]}
    return jsonschema_rs.validator_for(object_schema(kind) | {"components": {"schemas": kinds}})


def test_what_is_written_is_read_again() -> None:
    record = Outer(word="x", some=["a"], either=["b"], inner=Inner(number=1.5), inners=[Inner(number=2)])
    assert read(Outer, json.loads(json.dumps(to_json(record)))) == record


SCALARS = st.none() | st.booleans() | st.integers(-2, 12) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=4
)
NAMES = ["word", "count", "flag", "kind", "some", "either", "inner", "inners", "other"]
LIKELY = st.sampled_from(
    ["a", "b", 1, 9, 10, 1.0, True, ["x"], ["x", "y", "z"], [], [1], {"number": 1}, {"number": "1"}]
)


@given(st.dictionaries(st.sampled_from(NAMES), LIKELY | VALUES) | VALUES)
def test_read_and_schema_agree(body: Any) -> None:
    """Except that JSON schema takes 1.0 for a whole number."""
    try:
        read(Outer, body)
        accepted = True
    except Refusal:
        accepted = False
    is_whole = isinstance(body, dict) and isinstance(body.get("count"), float) and body["count"].is_integer()
    assert accepted == validator(Outer).is_valid(body) or is_whole


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (TranslateRequest, {"sentences": "Hi"}, "sentences: expected a list, found 'Hi'"),
        (TranslateRequest, {"sentences": ["a", 1]}, "sentences[1]: expected a string, found 1"),
        (TranslateRequest, {"sentences": ["\ud800"]}, "half of a surrogate pair"),
        (TranslateRequest, {"sentences": []}, "expected at least 1 items, found 0"),
        (TranslateRequest, {"sentences": ["a"], "beam": 99}, "beam: expected at least 1 and at most 32, found 99"),
        (TranslateRequest, {"sentences": ["a"], "beam": True}, "beam: expected a whole number, found True"),
        (TranslateRequest, {"sentence": ["a"]}, "unknown field 'sentence'"),
        (TranslateRequest, ["a"], "the body: expected an object"),
        (ScoreRequest, {"pairs": [{"source": "a"}]}, "pairs[0]: the field 'target' is missing"),
        (LibreRequest, {"q": 1}, "q: expected a string, found 1"),
        (LibreRequest, {"q": "a", "format": "pdf"}, "format: expected one of text, html, found 'pdf'"),
    ],
)
def test_refusals_name_the_field(kind: type, body: Any, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(kind, body)
    assert reason in caught.value.reason
