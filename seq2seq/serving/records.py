"""JSON objects as dataclasses: read, written and described as a JSON schema by one set of type hints.

A field that may be absent has a default; ``None`` stands for absence and never for JSON's null.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from seq2seq.config.ranges import Range
from seq2seq.errors import shown
from seq2seq.serving.refusal import Refusal

Record = TypeVar("Record")
_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}


def read(kind: type[Record], body: Any) -> Record:
    """A record from a decoded JSON value.

    Raises:
        Refusal: 400; the value does not fit; names the field.
    """
    return _read_object(kind, body, "the body")


def _read_object(kind: type[Record], body: Any, place: str) -> Record:
    if not isinstance(body, Mapping):
        raise Refusal(400, f"{place}: expected an object, found {shown(body)}")
    hints = get_type_hints(kind, include_extras=True)
    if unknown := [name for name in body if name not in hints]:
        raise Refusal(400, f"{place}: unknown field {shown(unknown[0])}; known are {', '.join(hints)}")
    if missing := [entry.name for entry in _entries(kind) if _is_required(entry) and entry.name not in body]:
        raise Refusal(400, f"{place}: the field {missing[0]!r} is missing")
    return kind(**{name: _read(hints[name], value, name) for name, value in body.items()})


def _read(hint: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _within(_read(arguments[0], value, place), arguments[1], place)
    if origin in (UnionType, Union):
        chosen = next((one for one in arguments if _fits(one, value)), arguments[0])
        return _read(chosen, value, place)
    if origin is list:
        if not isinstance(value, list):
            raise Refusal(400, f"{place}: expected a list, found {shown(value)}")
        return [_read(arguments[0], one, f"{place}[{index}]") for index, one in enumerate(value)]
    if origin is Literal:
        if value not in arguments:
            raise Refusal(400, f"{place}: expected one of {', '.join(arguments)}, found {shown(value)}")
        return value
    if is_dataclass(hint):
        return _read_object(hint, value, place)  # type: ignore[arg-type]
    if not _fits(hint, value):
        raise Refusal(400, f"{place}: expected {_NAMES[hint]}, found {shown(value)}")
    if isinstance(value, str) and not _is_text(value):
        raise Refusal(400, f"{place}: expected text, found half of a surrogate pair")
    return value


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value has a hint's outer type; true and 1 are not the same, and 1 is a number."""
    kind = get_origin(hint) or hint
    return type(value) is kind or (kind is float and type(value) is int)


def _within(value: Any, limit: Range, place: str) -> Any:
    """The value, if it, or a list's length, is within the limits."""
    size, what = (len(value), " items") if isinstance(value, list) else (value, "")
    if not limit.low <= size <= limit.high:
        upper = "" if limit.high == float("inf") else f" and at most {limit.high:g}"
        raise Refusal(400, f"{place}: expected at least {limit.low:g}{upper}{what}, found {size}")
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_json(value: Any) -> Any:
    """What :func:`json.dumps` takes, of a record or a list of them; fields that are ``None`` are left out."""
    if isinstance(value, list):
        return [to_json(one) for one in value]
    if is_dataclass(value):
        pairs = ((entry.name, getattr(value, entry.name)) for entry in fields(value))
        return {name: to_json(one) for name, one in pairs if one is not None}
    return value


def object_schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a record."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        "type": "object",
        "description": kind.__doc__,
        "properties": {entry.name: _schema(hints[entry.name]) for entry in _entries(kind)},
        "required": [entry.name for entry in _entries(kind) if _is_required(entry)],
        "additionalProperties": False,
    }


def _schema(hint: Any) -> dict[str, Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, limit = _schema(arguments[0]), arguments[1]
        low, high = ("minItems", "maxItems") if inner["type"] == "array" else ("minimum", "maximum")
        return inner | {low: limit.low} | ({high: limit.high} if limit.high != float("inf") else {})
    if origin in (UnionType, Union):
        present = [_schema(one) for one in arguments if one is not NoneType]
        return present[0] if len(present) == 1 else {"anyOf": present}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if is_dataclass(hint):
        return {"$ref": f"#/components/schemas/{hint.__name__}"}  # type: ignore[union-attr]
    return {"type": _TYPES[hint]}


def _entries(kind: Any) -> tuple[Field[Any], ...]:
    return fields(kind)


def _is_required(entry: Field[Any]) -> bool:
    return entry.default is MISSING and entry.default_factory is MISSING
