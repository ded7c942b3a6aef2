"""Recipes: TOML text in, a checked :class:`~seq2seq.config.Config` out, and back."""

import difflib
import json
import tomllib
import types
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seq2seq.config import Config
from seq2seq.errors import ConfigError

_SHIPPED = resources.files("seq2seq") / "recipes"


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return sorted(entry.name[:-5] for entry in _SHIPPED.iterdir() if entry.name.endswith(".toml"))


def recipe_text(name: str) -> str:
    """TOML text of a shipped recipe, or of the file at the path ``name``.

    Raises:
        ConfigError: there is neither.
    """
    if name in recipe_names():
        return (_SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: expected a TOML file in UTF-8, found other bytes ({error.reason})") from None
    except OSError:
        matches = difflib.get_close_matches(name, recipe_names(), n=1)
        hint = f"did you mean {matches[0]}? " if matches else ""
        known = ", ".join(recipe_names())
        raise ConfigError(f"no recipe or file named {name!r}: {hint}choose one of {known}, or a .toml file") from None


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Config:
    """Reads a recipe by name or path.

    Args:
        name: a shipped recipe's name or the path of a TOML file.
        overrides: ``table.key=value`` each; a value that is not TOML is a string.

    Raises:
        ConfigError: naming every fault at once.
    """
    try:
        tables = tomllib.loads(recipe_text(name))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not valid TOML: {error}") from None
    return build_config(tables, overrides)


def build_config(tables: dict[str, Any], overrides: Sequence[str] = ()) -> Config:
    """Builds a :class:`Config` from parsed TOML and overrides.

    Raises:
        ConfigError: naming every fault at once.
    """
    faults: list[str] = []
    known = get_type_hints(Config)
    kinds = {table: get_type_hints(cls) for table, cls in known.items()}
    for override in overrides:
        key, separator, text = override.partition("=")
        table, dot, name = key.strip().partition(".")
        if not (separator and dot and name):
            faults.append(f"--set {override!r} must read table.key=value")
        elif isinstance(tables.setdefault(table, {}), dict):
            tables[table][name] = _parse_value(text.strip(), kinds.get(table, {}).get(name))
    parts = {}
    for table, values in tables.items():
        if table not in known:
            faults.append(f"unknown table [{table}]{_nearest(table, known)}")
        elif not isinstance(values, dict):
            faults.append(f"{table} = {values!r} must be a table [{table}]")
        else:
            parts[table] = known[table](**_checked(table, values, kinds[table], faults))
    # Settings of the right type are still checked against one another, so that all faults are reported at once.
    try:
        config = Config(**parts)
    except ConfigError as error:
        faults.append(str(error))
    if faults:
        raise ConfigError("; ".join(faults))
    return config


def to_toml(config: Config) -> str:
    """All values, defaults included, as TOML that reads back to an equal config."""
    lines = []
    for table, values in asdict(config).items():
        lines.append(f"[{table}]")
        # JSON's strings, numbers, booleans and lists are valid TOML.
        lines.extend(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
        lines.append("")
    return "\n".join(lines)


def _parse_value(text: str, kind: Any) -> Any:
    """Parses a value from the command line: the text itself if it is not TOML or the setting is a string."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return text if kind is str and not isinstance(value, str) else value


def _checked(table: str, values: dict[str, Any], kinds: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """The values that have a known key and its type; the others are added to ``faults``."""
    accepted = {}
    for key, value in values.items():
        if key not in kinds:
            faults.append(f"unknown key {table}.{key}{_nearest(key, kinds)}")
        elif (fitted := _fit(value, kinds[key])) is None:
            faults.append(f"{table}.{key} = {json.dumps(value, default=str)} must be {_describe(kinds[key])}")
        else:
            accepted[key] = fitted
    return accepted


def _fit(value: Any, kind: Any) -> Any:
    """``value`` as a ``kind``, or None if it is not one (no setting can be None)."""
    origin = get_origin(kind)
    if origin is Literal:
        return value if isinstance(value, str) and value in get_args(kind) else None
    if origin in (Union, types.UnionType):
        return next((fit for option in get_args(kind) if (fit := _fit(value, option)) is not None), None)
    if origin is tuple:
        fits = isinstance(value, list) and all(_fit(item, get_args(kind)[0]) is not None for item in value)
        return tuple(value) if fits else None
    if kind is float and type(value) is int:
        return float(value)
    # bool is a subclass of int, and `layers = true` is a mistake.
    return value if type(value) is kind else None


def _describe(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(kind))
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(option) for option in get_args(kind))
    if origin is tuple:
        return "a list of whole numbers" if get_args(kind)[0] is int else "a list of strings"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}[kind]


def _nearest(word: str, known: Any) -> str:
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {matches[0]}?)" if matches else f" (known: {', '.join(sorted(known))})"
