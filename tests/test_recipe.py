"""Recipes: what is read, what is refused, and that writing and reading are inverse."""

from pathlib import Path

import pytest

from seq2seq.errors import ConfigError
from seq2seq.recipe import build_config, load_recipe, recipe_names, recipe_text, to_toml

ENDS = {"training": {"max_updates": 1}}


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_possible_and_described(name: str) -> None:
    load_recipe(name)
    assert recipe_text(name).startswith("# ")


@pytest.mark.parametrize("name", recipe_names())
def test_written_config_reads_back_equal(name: str, tmp_path: Path) -> None:
    config = load_recipe(name, ["model.bridge=project", "model.hidden_size=[8, 16, 8]", "model.layers=3"])
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert load_recipe(str(path)) == config


def test_text_with_quotes_and_other_scripts_survives(tmp_path: Path) -> None:
    tables = ENDS | {"data": {"path": 'a "b" \\ c\n 猫'}}
    config = build_config(tables)
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert load_recipe(str(path)).data.path == 'a "b" \\ c\n 猫'


def test_overrides_are_toml_or_text() -> None:
    config = build_config(dict(ENDS), ["model.layers=2", "data.path=../some folder", "data.drop_identical=false"])
    assert (config.model.layers, config.data.path, config.data.drop_identical) == (2, "../some folder", False)


def test_a_number_may_also_be_left_to_the_device(tmp_path: Path) -> None:
    config = build_config(dict(ENDS), ["training.batch_tokens=auto", "decoding.batch_tokens=70"])
    assert (config.training.batch_tokens, config.decoding.batch_tokens) == ("auto", 70)
    (tmp_path / "config.toml").write_text(to_toml(config), encoding="utf-8")
    assert load_recipe(str(tmp_path / "config.toml")) == config


@pytest.mark.parametrize(
    ("tables", "overrides", "expected"),
    [
        ({"modle": {}}, [], "unknown table [modle] (did you mean model?)"),
        ({"model": {"hidden": 3}}, [], "unknown key model.hidden"),
        ({"model": {"layers": "three"}}, [], 'model.layers = "three" must be a whole number'),
        ({"model": {"layers": True}}, [], "model.layers = true must be a whole number"),
        ({"model": {"cell": "gruu"}}, [], 'model.cell = "gruu" must be one of'),
        ({"model": {"hidden_size": [8, "a"]}}, [], "must be a whole number or a list of whole numbers"),
        ({}, ["training.batch_tokens=most"], 'training.batch_tokens = "most" must be a whole number or "auto"'),
        ({}, ["decoding.batch_tokens=0"], "decoding.batch_tokens = 0 must be at least 1 and at most 1e+07"),
        ({"model": 3}, [], "must be a table [model]"),
        ({}, ["layers=3"], "must read table.key=value"),
        ({}, ["model.layers"], "must read table.key=value"),
        ({}, ["model.layers=x"], 'model.layers = "x" must be a whole number'),
    ],
)
def test_mistakes_are_named(tables: dict[str, object], overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(ENDS | tables, overrides)
    assert expected in str(caught.value)


def test_mistakes_of_all_kinds_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({"model": {"hidden": 3, "layers": "x", "dropout": 2}, "training": {"patience": 3}, "extra": {}})
    for expected in ("model.hidden", "model.layers", "model.dropout", "[extra]", "towards an end"):
        assert expected in str(caught.value)


def test_an_unknown_recipe_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean reverse-digits"):
        load_recipe("reverse-digit")


@pytest.mark.parametrize("content", [b"[model\n", b"\xff\xfe"])
def test_files_that_are_no_toml_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load_recipe(str(path))
