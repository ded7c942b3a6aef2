"""The image encoder, and what every encoder answers about its pretrained backbone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seq2seq.corpus.batching import collate_images
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.vision.efficientnet import EfficientNetLite0
from seq2seq.model.vision.encoder import flatten_maps

IMAGE = {"encoder": "image", "bridge": "mean", "attention": "general", "tie_embeddings": "target", "layers": 1}


def test_the_backbone_is_frozen_until_it_is_finetuned(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(**IMAGE)
    backbone = model.encoder.backbone_parameters()
    assert list(map(id, backbone)) == list(map(id, model.encoder.backbone.parameters()))
    others = [parameter for name, parameter in model.named_parameters() if ".backbone." not in name]
    assert not any(parameter.requires_grad for parameter in backbone)
    for on in (True, False):
        model.encoder.set_finetuning(on)
        assert all(parameter.requires_grad == on for parameter in backbone)
        assert all(parameter.requires_grad for parameter in others)


def test_published_weights_come_from_the_folder_they_are_kept_in(
    tiny_model: Callable[..., Seq2Seq], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(EfficientNetLite0, "load_pretrained", lambda self, folder: folders.append(folder))
    tiny_model(**IMAGE).encoder.load_pretrained(tmp_path)
    assert folders == [tmp_path]


@pytest.mark.parametrize("encoder", ["stacked", "bidirectional", "convolutional"])
def test_text_encoders_have_no_backbone(encoder: str, tiny_model: Callable[..., Seq2Seq], tmp_path: Path) -> None:
    model = tiny_model(encoder=encoder)
    assert model.encoder.backbone_parameters() == []
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    model.encoder.set_finetuning(False)
    model.encoder.load_pretrained(tmp_path)
    assert list(tmp_path.iterdir()) == []
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad
        assert torch.equal(parameter, before[name])


@pytest.mark.parametrize("encoder", ["stacked", "convolutional"])
def test_example_tokens_have_the_lengths_asked_for(encoder: str, tiny_model: Callable[..., Seq2Seq]) -> None:
    inputs = tiny_model(encoder=encoder).encoder.example_inputs([3, 1], torch.Generator())
    assert inputs["src"].shape == (2, 3)
    assert inputs["src"].max() < 20
    assert inputs["lengths"].tolist() == [3, 1]


def test_pixels_and_their_feature_maps_give_the_same_memory(tiny_model: Callable[..., Seq2Seq]) -> None:
    encoder = tiny_model(**IMAGE).float().encoder
    pixels = encoder.example_inputs([1, 1], torch.Generator())["pixels"]
    assert pixels.min() >= -1
    assert pixels.max() <= 1
    with torch.inference_mode():
        maps = flatten_maps(encoder.backbone(pixels))
        of_pixels, of_maps = (encoder(collate_images(inputs)) for inputs in (pixels, maps))
    assert of_maps.memory.shape == (2, 49, 12)
    torch.testing.assert_close(of_pixels.memory, of_maps.memory)
    torch.testing.assert_close(of_maps.final.hidden[0], of_maps.memory.mean(1))


def test_without_attention_the_memory_is_one_mean_position(tiny_model: Callable[..., Seq2Seq]) -> None:
    encoder = tiny_model(**IMAGE | {"attention": "none"}).encoder
    maps = torch.randn(2, 49, 1280, dtype=torch.float64)
    memory = encoder(collate_images(maps)).memory
    torch.testing.assert_close(memory[:, 0], torch.tanh(encoder.project(maps.mean(1))))
