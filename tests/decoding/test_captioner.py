"""Captioning from corpus to page, with a backbone that knows nothing: quality is for the system tests."""

import io
import json
import math
import os
import random
import shutil
import signal
from collections import Counter
from pathlib import Path

import PIL.Image
import pytest
import torch
from shapes import make_corpus

from seq2seq.cli import main
from seq2seq.corpus.captions import read_captions
from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.scoring import log_probs
from seq2seq.device import DeviceSpec
from seq2seq.errors import CorpusError
from seq2seq.evaluation.evaluate import evaluate
from seq2seq.evaluation.retrieval import prefers_own_targets
from seq2seq.files.tensors import load_tensors
from seq2seq.model.vision import features
from seq2seq.model.vision.efficientnet import EfficientNetLite0
from seq2seq.model.vision.features import Pictures
from seq2seq.recipe import load_recipe
from seq2seq.runs.folder import load_run
from seq2seq.training.signals import Interrupted
from seq2seq.training.train import train
from seq2seq.training.trainer import Trainer

SIZES = {"train": 12, "valid": 4}


def know_nothing(backbone: EfficientNetLite0, folder: Path) -> None:
    """Takes the place of the published weights: the same random ones each time."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.parameters():
            size = parameter[0].numel() if parameter.dim() > 1 else math.inf
            parameter.normal_(std=(2 / size) ** 0.5, generator=generator)


@pytest.fixture(autouse=True)
def _unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EfficientNetLite0, "load_pretrained", know_nothing)


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("a corpus")
    make_corpus(folder / "shapes", SIZES, random.Random(1))
    sizes = ["model.hidden_size=16", "model.embedding_size=8", "subword.vocab_size=20", "training.batch_sentences=8"]
    lengths = ["training.max_epochs=4", "training.validate_every=5", "training.warmup_updates=0"]
    return [f"data.path={folder / 'shapes'}", f"data.directory={folder / 'data'}", *sizes, *lengths]


@pytest.fixture(scope="module", params=["flickr8k", "flickr8k-attention"])
def run(request: pytest.FixtureRequest, overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EfficientNetLite0, "load_pretrained", know_nothing)
        folder = tmp_path_factory.mktemp("captions") / request.param
        return train(request.param, run=folder, overrides=overrides, device="cpu")


@pytest.fixture
def files(overrides: list[str]) -> list[Path]:
    return sorted((Path(overrides[0].partition("=")[2]) / "images").glob("valid*.png"))


def test_a_run_is_evaluated_as_papers_do(run: Path) -> None:
    evaluation = json.loads((run / "evaluation.json").read_bytes())
    assert evaluation["sentences"] == 2
    expected = {"bleu1", "bleu2", "bleu3", "bleu4", "cider_d", "signature", "prefers_own"}
    assert evaluation["captions"].keys() == expected
    assert evaluation["captions"]["signature"].startswith("refs:2|")


def test_the_page_shows_pictures_references_and_looks(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert page.count("<li ") == 4
    config = load_run(run).config
    looks = sum(
        len(found.tokens) for found in Captioner.load(run).caption([str(path) for path in _test_files(config.data)])
    )
    assert page.count("data:image/png;base64,") == (looks if config.model.attention != "none" else 0)


def _test_files(data) -> list[Path]:
    names = dict.fromkeys(pair.src for pair in read_captions(data, data.test, Counter()))
    return [Path(data.path) / "images" / name for name in names]


def test_order_and_company_change_nothing(run: Path, files: list[Path]) -> None:
    captioner = Captioner.load(run, device="cpu")
    names = [str(path) for path in files]
    together = [found.ids for found in captioner.caption(names)]
    assert [captioner.caption([name])[0].ids for name in names] == together
    assert [found.ids for found in captioner.caption(names[::-1])] == together[::-1]


def test_log_probs_are_those_of_the_search(run: Path, files: list[Path]) -> None:
    captioner = Captioner.load(run, device="cpu")
    options = captioner.config.decoding.greedy()
    found = captioner.caption([str(path) for path in files], options)
    totals = log_probs(captioner, [str(path) for path in files], [output.ids for output in found])
    for output, total in zip(found, totals, strict=True):
        penalty = ((5 + len(output.ids) + 1) / 6) ** options.length_penalty
        assert output.score * penalty == pytest.approx(total, rel=1e-4)


def test_a_model_that_does_not_look_prefers_no_picture(run: Path, files: list[Path]) -> None:
    captioner = Captioner.load(run, device="cpu")
    torch.nn.init.zeros_(captioner.model.encoder.project.weight)
    names, captions = [str(path) for path in files[:2]], [["a red circle"], ["the blue square is here"]]
    assert prefers_own_targets(captioner, names, captions) == pytest.approx(0.5)


def test_what_is_preferred_turns_round_when_captions_are_swapped(run: Path, files: list[Path]) -> None:
    captioner = Captioner.load(run, device="cpu")
    names, captions = [str(path) for path in files[:2]], [["a red circle"], ["the blue square is here"]]
    right = prefers_own_targets(captioner, names, captions)
    assert right in (0, 1)
    assert prefers_own_targets(captioner, names, captions[::-1]) == 1 - right


def test_features_are_computed_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_run(run).config
    pictures = Pictures(prepare(config), config, DeviceSpec.pick("cpu", "fp32"))
    monkeypatch.setattr(features, "build_backbone", None)
    names = prepare(config).images
    assert pictures.features(names[:3]).shape == (3, 49, 1280)
    assert torch.equal(pictures.features(names[1:2]), pictures.features(names[:3])[1:2])
    assert (pictures.features(names).std(0) > 0).any()


def test_evaluate_and_caption_see_the_same_features_whatever_came_before(overrides: list[str], tmp_path: Path) -> None:
    settings = [*overrides, "training.precision=bf16", "training.max_epochs=1", f"data.directory={tmp_path / 'data'}"]
    run = train("flickr8k", run=tmp_path / "run", overrides=settings, device="cpu")
    evaluated = evaluate(run, device="cpu", precision="fp32")
    files = [str(Path(evaluated.config.data.path) / "images" / name) for name in evaluated.sources]
    of_files = Captioner.load(run, device="cpu", precision="fp32").caption(files)
    assert [found.ids for found in evaluated.outputs] == [found.ids for found in of_files]
    assert [found.score for found in evaluated.outputs] == pytest.approx([one.score for one in of_files], rel=1e-6)


def test_captions_of_files_and_folders(run: Path, files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", "--model", str(run), *map(str, files)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(files)
    assert main(["caption", "--model", str(run), str(files[0].parent)]) == 0
    of_folder = capsys.readouterr().out.splitlines()
    assert len(of_folder) == sum(SIZES.values())
    assert of_folder[-len(files) :] == lines
    assert main(["caption", "--model", str(run), str(files[0]), "--nbest", "2"]) == 0
    assert [line.split(" ||| ")[0] for line in capsys.readouterr().out.splitlines()] == ["0", "0"]


def test_a_bad_file_is_refused_in_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "picture.png"
    path.write_text("no picture", encoding="utf-8")
    for target, expected in ((path, "expected a whole JPEG, PNG or WebP"), (tmp_path / "none.png", "none.png")):
        assert main(["caption", "--model", str(run), str(target)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert expected in captured.err
        assert captured.err.count("\n") == 1


def test_a_damaged_picture_is_named_and_the_others_are_captioned(
    run: Path, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(files[0].read_bytes()[:100])
    assert main(["caption", "--model", str(run), *map(str, files[:2])]) == 0
    whole = capsys.readouterr().out
    pictures = [str(path) for path in (files[0], broken, files[1])]
    assert main(["caption", "--model", str(run), *pictures]) == 2
    captured = capsys.readouterr()
    assert captured.out == whole
    assert "broken.png" in captured.err
    assert captured.err.count("\n") == 1
    assert main(["caption", "--model", str(run), *pictures, "--nbest", "1"]) == 2
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == ["0", "2"]


def test_text_and_pictures_do_not_mix(
    run: Path, digits_run: Path, files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", "--model", str(digits_run), str(files[0])]) == 2
    assert "use 'seq2seq translate'" in capsys.readouterr().err
    for arguments in (["translate"], ["inspect", "--text", "x"]):
        assert main([arguments[0], "--model", str(run), *arguments[1:]]) == 2
        assert "use 'seq2seq caption'" in capsys.readouterr().err


def test_damaged_pictures_are_named_and_left_out(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shapes"
    shutil.copytree(overrides[0].partition("=")[2], folder)
    whole = (folder / "images" / "train3.png").read_bytes()
    (folder / "images" / "train3.png").write_bytes(whole[: len(whole) // 2])
    (folder / "images" / "train5.png").unlink()
    stream = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(stream, "GIF")
    (folder / "images" / "valid0.png").write_bytes(stream.getvalue())
    config = load_recipe("flickr8k", [*overrides, f"data.path={folder}", f"data.directory={tmp_path / 'data'}"])
    prepared = prepare(config)
    assert len(prepared.images) == sum(SIZES.values()) - 3
    assert len(prepared.validation) == 2
    assert prepared.report["dropped"]["damaged picture"] == 4
    from_rank0 = capsys.readouterr().err
    assert all(name in from_rank0 for name in ("train3.png", "train5.png", "valid0.png"))


def test_a_corpus_without_one_whole_picture_is_refused(overrides: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "shapes"
    shutil.copytree(overrides[0].partition("=")[2], folder)
    for path in (folder / "images").iterdir():
        path.write_bytes(b"no picture")
    config = load_recipe("flickr8k", [*overrides, f"data.path={folder}", f"data.directory={tmp_path / 'data'}"])
    with pytest.raises(CorpusError, match="none of the 16 pictures"):
        prepare(config)


def backbone_of(run: Path, updates: int) -> dict[str, torch.Tensor]:
    tensors = load_tensors(run / "checkpoints" / f"{updates:08d}" / "tensors.safetensors")
    return {name: tensor for name, tensor in tensors.items() if name.startswith("model.encoder.backbone.")}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


FINETUNING = ["training.finetune_from=2", "training.max_epochs=2", "training.validate_every=3"]


def test_the_backbone_learns_from_its_epoch_on_and_at_its_own_rate(overrides: list[str], tmp_path: Path) -> None:
    # 12 pictures with two captions each are three batches of eight.
    moved = train("flickr8k", run=tmp_path / "a", overrides=[*overrides, *FINETUNING], device="cpu")
    published = EfficientNetLite0()
    know_nothing(published, tmp_path)
    start = {f"model.encoder.backbone.{name}": tensor for name, tensor in published.named_parameters()}
    assert same(backbone_of(moved, 3), start)
    assert not same(backbone_of(moved, 6), start)
    still = [*overrides, *FINETUNING, "training.finetune_learning_rate=0"]
    assert same(backbone_of(train("flickr8k", run=tmp_path / "b", overrides=still, device="cpu"), 6), start)
    # What is evaluated is what has learned.
    assert evaluate(moved, device="cpu").scores["captions"] is not None


def test_resuming_within_finetuning_equals_not_stopping(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*overrides, *FINETUNING]
    whole = train("flickr8k", run=tmp_path / "whole", overrides=settings, device="cpu")
    real, updates = Trainer._update, 0

    def update_and_stop(self: Trainer, batches: list) -> None:
        nonlocal updates
        real(self, batches)
        updates += 1
        if updates == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", update_and_stop)
        with pytest.raises(Interrupted):
            train("flickr8k", run=tmp_path / "parts", overrides=settings, device="cpu")
    parts = train("flickr8k", run=tmp_path / "parts", overrides=settings, device="cpu")
    last = [load_tensors(run / "checkpoints" / "00000006" / "tensors.safetensors") for run in (whole, parts)]
    assert last[0].keys() == last[1].keys()
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])
