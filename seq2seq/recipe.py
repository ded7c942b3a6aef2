"""Recipes: TOML text in, a checked :class:`~seq2seq.config.Config` out, and back."""

import difflib
import json
import math
import sys
import tomllib
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seq2seq.config import Config, DecodingConfig
from seq2seq.config.decoding import unused_settings
from seq2seq.config.reference import describe_type
from seq2seq.errors import ConfigError

_SHIPPED = resources.files("seq2seq") / "recipes"
# Larger files are no recipes, and parsing them would take long.
_LONGEST = 1_000_000


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
    try:
        with Path(name).open("rb") as stream:
            content = stream.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise ConfigError(f"{name}: expected a TOML file of at most {_LONGEST:,} bytes, found more")
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: expected a TOML file in UTF-8, found other bytes ({error.reason})") from None
    except (OSError, ValueError):  # a path with a NUL is a ValueError
        matches = difflib.get_close_matches(name, recipe_names(), n=1)
        hint = f"did you mean {matches[0]}? " if matches else ""
        known = ", ".join(recipe_names())
        raise ConfigError(f"no recipe or file named {name!r}: {hint}choose one of {known}, or a .toml file") from None


def load_recipe(
    name: str | Path, overrides: Sequence[str] = (), inherited: Mapping[str, Mapping[str, Any]] | None = None
) -> Config:
    """Reads a recipe by name or path.

    Args:
        name: a shipped recipe's name or the path of a TOML file.
        overrides: ``table.key=value`` each; a value that is not TOML is a string.
        inherited: values by table for what the recipe leaves out, in the place of the defaults.

    Raises:
        ConfigError: naming every fault at once.
    """
    text = recipe_text(str(name))
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # too many digits are a ValueError of another kind
        raise ConfigError(f"{name} is not valid TOML: {_one_line(str(error))}") from None
    for table, values in (inherited or {}).items():
        if isinstance(own := tables.get(table, {}), dict):  # else it is named as a fault
            tables[table] = {**values, **own}
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
            faults.append(f"--set {_shown(override)} must read table.key=value")
        elif isinstance(tables.setdefault(table, {}), dict):
            tables[table][name] = _parse_value(text.strip(), kinds.get(table, {}).get(name))
    parts = {}
    for table, values in tables.items():
        if table not in known:
            faults.append(f"unknown table [{table:.80}]{_nearest(table, known)}")
        elif not isinstance(values, dict):
            faults.append(f"{table} = {_shown(values)} must be a table [{table}]")
        else:
            parts[table] = known[table](**_checked(table, values, kinds[table], faults))
    # Settings of the right type are still checked against one another, so that all faults are reported at once.
    try:
        config = Config(**parts)
    except ConfigError as error:
        faults.append(str(error))
    if faults:
        raise ConfigError(_one_line("; ".join(faults)))
    return config


def with_decoding(config: Config, given: Mapping[str, Any]) -> DecodingConfig:
    """A run's settings of ``[decoding]`` with others in their place, checked together.

    A setting of the run that those given make meaningless falls back to its default; it is no contradiction.

    Raises:
        ConfigError: naming every fault at once.
    """
    faults: list[str] = []
    merged = replace(config.decoding, **_checked("decoding", given, get_type_hints(DecodingConfig), faults))
    if faults:
        raise ConfigError(_one_line("; ".join(faults)))
    dropped = {name: getattr(DecodingConfig(), name) for name, _ in unused_settings(merged) if name not in given}
    return replace(config, decoding=replace(merged, **dropped)).decoding


def to_toml(config: Config, chosen: Mapping[str, Any] | None = None) -> str:
    """All values, defaults included, as TOML that reads back to an equal config.

    Args:
        config: the settings.
        chosen: what stands for some of them in training, by ``table.key``; it is added as a comment.
    """
    notes = {key: f"  # here {_toml_value(value)}" for key, value in (chosen or {}).items()}
    lines = []
    for table, values in asdict(config).items():
        lines.append(f"[{table}]")
        lines.extend(f"{key} = {_toml_value(value)}{notes.get(f'{table}.{key}', '')}" for key, value in values.items())
        lines.append("")
    return "\n".join(lines)


def _toml_value(value: Any) -> str:
    """JSON's strings, whole numbers, booleans and lists are TOML, but for one character; of floats only Python's."""
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parse_value(text: str, kind: Any) -> Any:
    """Parses a value from the command line: the text itself if it is not TOML or the setting is a string."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
    return text if kind is str and not isinstance(value, str) else value


def _checked(table: str, values: Mapping[str, Any], kinds: dict[str, Any], faults: list[str]) -> dict[str, Any]:
    """The values that have a known key and its type; the others are added to ``faults``."""
    accepted = {}
    for key, value in values.items():
        if key not in kinds:
            faults.append(f"unknown key {table}.{key:.80}{_nearest(key, kinds)}")
        elif (fitted := _fit(value, kinds[key])) is None:
            faults.append(f"{table}.{key} = {_shown(value)} must be {describe_type(kinds[key])}")
        elif reason := next(filter(None, map(_unwritable, fitted if isinstance(fitted, tuple) else [fitted])), None):
            faults.append(f"{table}.{key} = {_shown(value)} {reason}")
        else:
            accepted[key] = fitted
    return accepted


def _unwritable(value: Any) -> str:
    """Why a value could not be read back from a run's settings, or used as a path; empty if it could."""
    match value:
        case str() if "\0" in value:
            return "holds a NUL character, which no path can: take it out"
        case str() if not _is_utf8(value):
            return "holds bytes that are not UTF-8, which TOML cannot: rename that file or folder"
        case int() if not -(2**63) <= value < 2**63:
            return "must be a number of at most 64 bits"
        case float() if math.isnan(value):
            return "is not a number: give one"
    return ""


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate is how Python shows such a byte
        return False
    return True


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
        return float(value) if abs(value) <= sys.float_info.max else None
    # bool is a subclass of int, and `layers = true` is a mistake.
    return value if type(value) is kind else None


def _shown(value: Any) -> str:
    """A value for messages, not all of it if it is long."""
    try:
        text = json.dumps(value, default=str, ensure_ascii=False)
    except (ValueError, RecursionError):  # a number of thousands of digits
        text = "that"
    return text if len(text) <= 80 else f"{text[:80]} …"


def _one_line(text: str) -> str:
    """The text with its line ends and other characters that are not printable escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _nearest(word: str, known: Any) -> str:
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {matches[0]}?)" if matches else f" (known: {', '.join(sorted(known))})"
