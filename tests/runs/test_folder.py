"""Run folders: moved, damaged, forged."""

import json
import os
import shutil
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

import seq2seq
from seq2seq.errors import RunError, Seq2SeqError
from seq2seq.files.atomic import scratch_file, write_atomic
from seq2seq.files.manifest import check_manifest, commit_files, digest, stage_file, write_manifest
from seq2seq.files.tensors import load_tensors, save_tensors
from seq2seq.runs.folder import load_run, save_model
from seq2seq.runs.layout import read_config

CORPUS = {"corpus": {"target lengths": [[10, 20]]}}


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(digits_run, tmp_path / "moved run ñ"))


def forge_manifest(run: Path, files: dict[str, object]) -> None:
    """One that seems whole."""
    content = json.loads((run / "manifest.json").read_text(encoding="utf-8")) | {"files": files}
    (run / "manifest.json").write_text(json.dumps(content | {"digest": digest(content)}), encoding="utf-8")


def test_a_moved_run_translates_as_before(digits_run: Path, run: Path) -> None:
    sources = ["123", "98765"]
    assert seq2seq.load(run, device="cpu").translate(sources) == seq2seq.load(digits_run, device="cpu").translate(
        sources
    )


def test_what_a_run_holds(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert {"config.toml", "model.safetensors", "manifest.json", "log.jsonl", "evaluation.json", "README.md"} <= names
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert set(manifest["files"]) == {"config.toml", "model.safetensors", "subword.joint.model"}
    assert manifest["corpus"]["fingerprint"]


@pytest.mark.parametrize("name", ["config.toml", "model.safetensors", "subword.joint.model"])
def test_damage_is_named(name: str, run: Path) -> None:
    whole = (run / name).read_bytes()
    for damaged in (whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], whole[:-1] + bytes([whole[-1] ^ 128]), b""):
        (run / name).write_bytes(damaged)
        with pytest.raises(RunError, match=f"{name} is damaged"):
            load_run(run)
    (run / name).unlink()
    with pytest.raises(RunError, match=name):
        load_run(run)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": 3}', b'{"files": {"a": {}}}'])
def test_a_damaged_manifest_is_named(content: bytes, run: Path) -> None:
    (run / "manifest.json").write_bytes(content)
    with pytest.raises(RunError, match=r"manifest\.json is not a manifest"):
        load_run(run)


def test_a_manifest_cannot_point_outside(run: Path) -> None:
    forge_manifest(run, {"../../etc/passwd": {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(RunError, match="is forged"):
        check_manifest(run)


def test_weights_of_another_model_are_refused(run: Path) -> None:
    text = (run / "config.toml").read_text(encoding="utf-8").replace("hidden_size = 32", "hidden_size = 48")
    (run / "config.toml").write_text(text, encoding="utf-8")
    forge_manifest(run, {})
    with pytest.raises(RunError, match=r"model\.safetensors does not fit its config\.toml: \d+ tensors differ"):
        load_run(run)


def test_an_enormous_model_is_refused_without_being_built(run: Path) -> None:
    text = (run / "config.toml").read_text(encoding="utf-8").replace("hidden_size = 32", "hidden_size = 65536")
    (run / "config.toml").write_text(text, encoding="utf-8")
    forge_manifest(run, {})
    with pytest.raises(RunError, match="does not fit"):
        load_run(run)


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a folder"):
        load_run(tmp_path / "nothing")
    with pytest.raises(RunError, match="train it first"):
        load_run(tmp_path)


def test_a_run_of_another_version_is_refused_by_its_settings(run: Path) -> None:
    path = run / "config.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("[model]", '[model]\nmerge = "sum"'), encoding="utf-8")
    with pytest.raises(RunError, match=r"another version made .* \(unknown key model.merge"):
        read_config(run)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="the disk is full"):
        write_atomic(path, b"new")
    with pytest.raises(RunError, match="the disk is full"):
        save_tensors(path, {})
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def _stop_before(monkeypatch: pytest.MonkeyPatch, rename: int) -> None:
    """Lets the process "crash" just before its ``rename``-th rename."""
    renames, replace = count(1), os.replace

    def crash(old: Path, new: Path) -> None:
        if next(renames) == rename:
            raise KeyboardInterrupt
        replace(old, new)

    monkeypatch.setattr("os.replace", crash)


@pytest.mark.parametrize("crash", range(1, 7))
def test_files_are_listed_at_every_moment_of_their_replacement(
    crash: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files take five renames: a manifest and a file each, and the manifest that commits them."""
    names = ["config", "model"]
    for name in names:
        write_atomic(tmp_path / name, b"old")
    write_manifest(tmp_path, names, {"fact": 1})
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        _stop_before(patch, crash)
        for name in names:
            with scratch_file(tmp_path / name) as scratch:
                scratch.write_bytes(b"new")
                stage_file(scratch, tmp_path / name)
            check_manifest(tmp_path)
        commit_files(tmp_path, names)
    manifest = check_manifest(tmp_path)
    assert manifest["fact"] == 1
    assert [(tmp_path / name).read_bytes() for name in names].count(b"new") == min(crash - 1, 4) // 2
    assert (manifest.get("next") == {}) == (crash == 6)
    # Neither hash lets a third content pass.
    (tmp_path / "model").write_bytes(b"bad")
    with pytest.raises(RunError, match="model is damaged"):
        check_manifest(tmp_path)


def test_a_crash_after_a_crash_leaves_a_model_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"first")
    write_manifest(tmp_path, ["model"], {})

    def replace(content: bytes) -> None:
        (tmp_path / "scratch").write_bytes(content)
        stage_file(tmp_path / "scratch", model)

    replace(b"second")  # and a crash before the manifest is written anew
    check_manifest(tmp_path)
    monkeypatch.setattr(
        "seq2seq.files.manifest.atomic_replace", lambda *_: None
    )  # the other one comes before the third is in its place
    replace(b"third")
    assert model.read_bytes() == b"second"
    check_manifest(tmp_path)


def test_a_run_is_loaded_with_what_auto_became(run: Path) -> None:
    manifest = check_manifest(run)
    assert manifest["settled"] == {"evaluation.tokenize": "13a"}
    assert read_config(run).evaluation.tokenize == "auto"
    assert load_run(run).config.evaluation.tokenize == "13a"
    save_model(
        run, load_tensors(run / "model.safetensors"), {**CORPUS, "settled": {"training.validation_metric": "cer"}}
    )
    assert load_run(run).config.training.validation_metric == "cer"


@pytest.mark.parametrize("settled", [{"training.validation_metric": "x"}, {"a": [1]}, {"model": {}}, [1], "x", None])
def test_forged_settlements_are_refused_or_do_nothing(settled: object, run: Path) -> None:
    save_model(run, load_tensors(run / "model.safetensors"), {**CORPUS, "settled": settled})
    if isinstance(settled, dict):
        with pytest.raises(Seq2SeqError):
            load_run(run)
    else:
        assert load_run(run).config == read_config(run)


def test_a_run_that_does_not_say_how_long_outputs_may_be_is_of_an_earlier_version(run: Path) -> None:
    save_model(run, load_tensors(run / "model.safetensors"), {"corpus": {}})
    with pytest.raises(RunError, match="of an earlier version of seq2seq; train it again"):
        load_run(run)
