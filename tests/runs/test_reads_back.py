"""What is accepted as a setting reads back from the run's config.toml, and the run goes on with it."""

import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seq2seq.config import Config
from seq2seq.errors import ConfigError
from seq2seq.recipe import build_config, load_recipe, to_toml
from seq2seq.runs.layout import CONFIG, read_config
from seq2seq.training.train import _settings

# Everything that a text can hold, lone surrogates (how Python shows bytes that are no UTF-8) among it.
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["", "\x7f", "\x00", "a\tb\r\n", "Infinity", "NaN", "1_0", '"', "\\", "\\u007f", "'''", "\u2028", "\x85", "e\u0301"]
)
TEXTS |= st.sampled_from(["\udcff", "\ufeff", "\U0010ffff", "9" * 5000])
INTEGERS = st.integers() | st.integers(0, 100) | st.sampled_from([2**63 - 1, 2**63, 10**400, 10**5000, -1])
FLOATS = st.floats() | st.sampled_from([-0.0, 5e-324, 1e-320, 1e16, 1e22, 1.7976931348623157e308, math.inf, -math.inf])


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything of a setting's type."""
    origin = get_origin(kind)
    if origin is Literal:
        return st.sampled_from(get_args(kind))
    if origin is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3)
    if origin is not None:
        return st.one_of([values(option) for option in get_args(kind)])
    return {bool: st.booleans(), int: INTEGERS, float: FLOATS | INTEGERS, str: TEXTS}[kind]


SETTINGS = [
    (table, entry.name, get_type_hints(cls)[entry.name])
    for table, cls in get_type_hints(Config).items()
    for entry in fields(cls)
]


def check_one_value(table: str, name: str, value: Any, folder: Path) -> None:
    tables = {"training": {"max_updates": 10}}
    tables.setdefault(table, {})[name] = value
    try:
        config = build_config(tables)
    except ConfigError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.isprintable()
        assert f"{table}." in refusal
        return
    (folder / CONFIG).write_bytes(to_toml(config).encode())
    assert read_config(folder) == config
    assert _settings(str(folder / CONFIG), [], folder, None) == config


def settings_test(examples: int) -> Any:
    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    @pytest.mark.parametrize(("table", "name", "kind"), SETTINGS, ids=[f"{row[0]}.{row[1]}" for row in SETTINGS])
    def test(table: str, name: str, kind: Any, data: Any, tmp_path: Path) -> None:
        check_one_value(table, name, data.draw(values(kind)), tmp_path)

    return test


test_every_value_that_is_accepted_reads_back = settings_test(10)
test_many_values_that_are_accepted_read_back = pytest.mark.slow(
    settings_test(200 if os.environ.get("RELIABILITY") == "full" else 60)
)


@pytest.mark.parametrize("key", ["clip_norm", "max_minutes"])
@pytest.mark.parametrize(("text", "expected"), [("inf", math.inf), ("1e-320", 1e-320), ("1e22", 1e22)])
def test_extreme_numbers_on_the_command_line_read_back(key: str, text: str, expected: float, tmp_path: Path) -> None:
    config = build_config({"training": {"max_updates": 10}}, [f"training.{key}={text}"])
    (tmp_path / CONFIG).write_text(to_toml(config), encoding="utf-8")
    assert getattr(read_config(tmp_path).training, key) == expected


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.path=/corpora/\udcff", "data.path = .* holds bytes that are not UTF-8, which TOML cannot: rename"),
        ('data.path="\\u0000"', "data.path = .* holds a NUL"),
        ("training.clip_norm=nan", "training.clip_norm = NaN is not a number"),
        ("training.max_updates=9223372036854775808", "training.max_updates = 9223372036854775808 must be .* 64 bits"),
        ("data.max_ratio=1" + "0" * 400, "data.max_ratio = 10{79} … must be a number"),
        ('training.device_map=["cpu", "\udcff", "cpu"]', "training.device_map = .* holds bytes that are not UTF-8"),
    ],
)
def test_what_no_file_of_settings_can_hold_is_refused_at_once(override: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        build_config({"training": {"max_updates": 10}}, [override])


def test_recipes_of_windows_editors_are_read(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_bytes(b"\xef\xbb\xbf[training]\r\nmax_updates = 7\r\n")
    assert load_recipe(str(tmp_path / "r.toml")).training.max_updates == 7
