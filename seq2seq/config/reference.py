"""The settings as a reference in Markdown: type, range, default and meaning of each, as their classes state them."""

import ast
import inspect
import json
import re
import types
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seq2seq.config import Config
from seq2seq.errors import ConfigError

_HEAD = (
    "# Settings\n\n"
    "A recipe is a TOML file with these tables; what it leaves out has its default. On the command line a setting is\n"
    "`--set table.key=value`. `seq2seq settings` writes this page from the classes in `seq2seq/config`."
)


def settings_reference(table: str | None = None) -> str:
    """The reference of one table, or of all as a page.

    Raises:
        ConfigError: there is no such table.
    """
    tables = get_type_hints(Config)
    if table is None:
        return "\n\n".join([_HEAD, *(_table(name, kind) for name, kind in tables.items())])
    if table not in tables:
        raise ConfigError(f"no table {table!r}: expected one of {', '.join(tables)}")
    return _table(table, tables[table])


def describe_type(kind: Any) -> str:
    """What a value of a setting must be, in words."""
    origin = get_origin(kind)
    if origin is Literal:
        choices = [f'"{choice}"' for choice in get_args(kind)]
        return ("one of " if len(choices) > 1 else "") + ", ".join(choices)
    if origin in (Union, types.UnionType):
        return " or ".join(describe_type(option) for option in get_args(kind))
    if origin is tuple:
        item = get_args(kind)[0]
        items = {int: "whole numbers", str: "strings"}.get(item, describe_type(item).removeprefix("one of "))
        return f"a list of {items}"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}[kind]


def _table(name: str, table: type) -> str:
    known = dict(meanings(table))
    kinds, hints = get_type_hints(table), get_type_hints(table, include_extras=True)
    parts = [f"## [{name}]", to_markdown(inspect.cleandoc(table.__doc__ or ""))]
    for field in fields(table):
        limits = "".join(_range(limit) for limit in getattr(hints[field.name], "__metadata__", ()))
        default = json.dumps(field.default, ensure_ascii=False)
        parts.append(f"### {name}.{field.name}")
        parts.append(f"{describe_type(kinds[field.name])}{limits}; default `{default}`")
        if field.name in known:
            parts.append(known[field.name])
    return "\n\n".join(parts)


def meanings(table: type) -> Iterator[tuple[str, str]]:
    """Name and meaning of each field that has a text under it."""
    (definition,) = ast.parse(inspect.getsource(table)).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                yield name, to_markdown(inspect.cleandoc(meaning))


def _range(limit: Any) -> str:
    # Bounds are whole numbers, however large, but for a few below 1.
    low, high = (f"{bound:,}" if bound == bound // 1 else str(bound) for bound in (limit.low, limit.high))
    return f", at least {low}" if limit.high == float("inf") else f", {low} to {high}"


def to_markdown(text: str) -> str:
    """A docstring, with its literals and references as Markdown has them."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"``\1``", text)
    return re.sub(r"``([^`]+)``", lambda literal: "`" + " ".join(literal[1].split()) + "`", text)
