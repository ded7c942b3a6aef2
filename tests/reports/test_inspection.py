"""Looking inside: what the page shows is what the model computed, and the page is whole and harmless."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import seq2seq
from seq2seq.config import ModelConfig
from seq2seq.decoding.readers import Member
from seq2seq.decoding.scoring import alignments
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError
from seq2seq.model.build import build_model
from seq2seq.model.cells import FusedCell
from seq2seq.model.step_cells import StepCell
from seq2seq.reports.heatmap import Panel, draw, round_limit
from seq2seq.reports.inspection import inspect, page, trace_translation
from seq2seq.runs.folder import load_run

TEXT = "86753 <script>"
KINDS = [
    *({"cell": cell, "encoder": "stacked"} for cell in ("lstm", "gru", "rnn", "peephole", "layernorm")),
    *({"cell": cell, "encoder": "bidirectional", "attention": "dot"} for cell in ("lstm", "gru", "layernorm")),
    {"encoder": "bidirectional", "bidirectional_layers": "first", "reverse_source": False},
    {"encoder": "convolutional", "pool": 3, "attention": "additive", "input_feeding": True},
    {"cell": "gru", "decoder_cell": "peephole", "bridge": "first-input", "attention": "general", "zoneout": 0.0},
    {"cell": "peephole", "zoneout": 0.2, "bridge": "first-input", "attention": "dot", "input_feeding": True},
    {"cell": "rnn", "nonlinearity": "relu", "bridge": "every-step", "hidden_size": (12, 60), "residual_from": 1},
]


@pytest.fixture(scope="module")
def loaded(digits_run: Path) -> Translator:
    return seq2seq.load(digits_run, device="cpu")


@pytest.fixture
def make(loaded: Translator) -> Callable[..., Translator]:
    """Makes a translator around a small untrained float64 model with any settings changed."""

    def translator(**settings: object) -> Translator:
        defaults = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.3}
        config = replace(
            loaded.config,
            model=ModelConfig(**(defaults | settings)),
            decoding=replace(loaded.config.decoding, beam=1, max_length=6),
        )
        vocabularies = loaded.vocabularies
        model = build_model(config.model, len(vocabularies.src), len(vocabularies.tgt)).double().eval()
        return Translator([Member(model, vocabularies, config, loaded.members[0].target_lengths)], loaded.device_spec)

    return translator


def reading_order(count: int, model: ModelConfig) -> list[int]:
    """Columns of the source in the order in which the model reads them."""
    columns = list(range(count))
    if not model.reverse_source:
        return columns
    return columns[::-1] if model.encoder == "convolutional" else [*columns[-2::-1], columns[-1]]


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: " ".join(map(str, settings.values())))
def test_what_is_shown_is_what_the_model_computed(settings: dict[str, object], make: Callable[..., Translator]) -> None:
    translator = make(**settings)
    encoder, decoder = (
        {module: [] for module in part.modules() if isinstance(module, FusedCell | StepCell)}
        for part in (translator.model.encoder, translator.model.decoder)
    )
    for cell, outputs in (encoder | decoder).items():
        cell.register_forward_hook(lambda _, __, output, outputs=outputs: outputs.append(output[0][0]))
    inspection = trace_translation(translator, TEXT)
    for side, cells in ((inspection.source, encoder), (inspection.target, decoder)):
        assert len(side.layers) == len(cells)
        for layer, outputs in zip(side.layers, cells.values(), strict=True):
            # Before, the same cells searched for the translation.
            computed = torch.cat(outputs)[-len(side.columns) :]
            shown = layer.values["hidden"]
            order = (
                reading_order(len(side.columns), inspection.model) if side is inspection.source else range(len(shown))
            )
            towards = "left to right" if inspection.model.reverse_source else "right to left"
            read = shown[order]
            torch.testing.assert_close(read.flip(0) if towards in layer.name else read, computed)
            assert {len(values) for values in layer.values.values()} == {len(side.columns)}


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: " ".join(map(str, settings.values())))
def test_every_kind_gives_a_well_formed_page(settings: dict[str, object], make: Callable[..., Translator]) -> None:
    inspection = trace_translation(make(**settings), TEXT)
    content = page(inspection, "a <b>run</b>")
    check_page(content)
    assert "&lt;script&gt;" in content
    assert "a &lt;b&gt;run&lt;/b&gt;" in content
    assert ("This model has no attention" in content) == (inspection.attention is None)
    assert content.index("<h2>Attention</h2>") < content.index("<h3>")
    assert ("back to front" in content) == inspection.model.reverse_source
    assert content.count("<h3>") == len(inspection.source.layers) + len(inspection.target.layers)


@pytest.mark.parametrize("settings", [kind for kind in KINDS if "attention" in kind], ids=str)
def test_attention_spreads_one_look_over_the_source(
    settings: dict[str, object], make: Callable[..., Translator]
) -> None:
    inspection = trace_translation(make(**settings), TEXT)
    assert inspection.attention is not None
    assert inspection.attention.shape == (len(inspection.written), len(inspection.source.columns))
    torch.testing.assert_close(inspection.attention.sum(1), torch.ones(len(inspection.written)).double())


@pytest.mark.parametrize("reverse", [True, False])
def test_columns_are_tokens_in_the_order_of_the_text(reverse: bool, make: Callable[..., Translator]) -> None:
    columns = trace_translation(make(reverse_source=reverse), "12345").source.columns
    assert columns[-1] == "</s>"
    assert "".join(columns[:-1]).strip("▁") == "12345"
    pooled = trace_translation(make(encoder="convolutional", pool=3, reverse_source=reverse), "12345").source.columns
    assert len(pooled) == -(-len(columns) // 3)
    assert "".join(pooled).replace(" ", "").replace("</s>", "").strip("▁") == "12345"


def test_the_page_shows_the_attention_that_alignments_tell(make: Callable[..., Translator]) -> None:
    translator = make(attention="dot")
    inspection = trace_translation(translator, "12345")
    (expected,) = alignments(translator, ["12345"], [translator.translate(["12345"])[0].ids])
    assert inspection.attention is not None
    torch.testing.assert_close(inspection.attention.float(), expected)


def test_the_decoder_reads_what_it_wrote(make: Callable[..., Translator]) -> None:
    inspection = trace_translation(make(), "12345")
    assert inspection.target.columns == ("<s>", *inspection.written[:-1])
    assert inspection.written[-1] == "</s>"
    first = trace_translation(make(bridge="first-input"), "12345")
    assert first.target.columns == ("(source)", "<s>", *first.written[:-1])


def test_a_long_text_is_cut_as_the_translator_cuts_it(make: Callable[..., Translator]) -> None:
    translator = make(layers=1)
    inspection = trace_translation(translator, "1234567890 " * 100)
    assert inspection.cut
    assert len(inspection.source.columns) == translator.config.data.max_tokens + 1
    assert "only its beginning was read" in page(inspection, "run")


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_model_changes_nothing_and_stays(training: bool, make: Callable[..., Translator]) -> None:
    translator = make(attention="dot")
    before = page(trace_translation(translator, TEXT), "run")
    translator.model.train(training)
    assert page(trace_translation(translator, TEXT), "run") == before
    assert translator.model.training is training
    assert not any(module._forward_pre_hooks for module in translator.model.modules())
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("text", ["a\x00\x07\x1b b", "\udcff", "\uffff", "]]> -- &amp; \"'", "日本語 שלום", "x" * 300])
def test_any_text_gives_a_whole_page(text: str, loaded: Translator) -> None:
    check_page(page(trace_translation(loaded, text), "run"))


def test_a_run_gets_its_page(digits_run: Path, tmp_path: Path) -> None:
    assert inspect(digits_run, "8675309", device="cpu") == digits_run / "inspect.html"
    elsewhere = inspect(digits_run, "8675309", out=tmp_path / "page.html", device="cpu")
    assert elsewhere.read_bytes() == (digits_run / "inspect.html").read_bytes()
    content = elsewhere.read_text(encoding="utf-8")
    check_page(content)
    headings = ["Attention", "Gates and states", "Source (encoder)", "Target (decoder)"]
    assert re.findall("<h2>(.*?)</h2>", content) == headings
    assert load_run(digits_run).folder == digits_run


@pytest.mark.parametrize("text", ["", " \t\n", "\ufeff"])
def test_an_empty_text_is_refused(text: str, digits_run: Path, tmp_path: Path) -> None:
    with pytest.raises(Seq2SeqError, match=r"expected a sentence, found only white space.*--text") as caught:
        inspect(digits_run, text, out=tmp_path / "page.html", device="cpu")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "page.html").exists()


def test_a_place_for_the_page_must_be_there(digits_run: Path, tmp_path: Path) -> None:
    for out, message in ((tmp_path, "it is a folder"), (tmp_path / "nowhere" / "page.html", "there is no folder")):
        with pytest.raises(Seq2SeqError, match=message):
            inspect(digits_run, "12", out=out, device="cpu")


@given(st.lists(st.lists(st.floats(-3, 3), min_size=4, max_size=4), min_size=1, max_size=6))
def test_strokes_cover_every_cell_once(values: list[list[float]]) -> None:
    panel = Panel("title", tuple("abcdef"[: len(values)]), tuple("wxyz"), values, -1.0, 1.0)
    cells = [
        (int(x) + step, int(y))
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)", draw(panel, cell=(10, 10)))
        for step in range(int(length))
    ]
    assert sorted(cells) == sorted((x, y) for y in range(len(values)) for x in range(4))


def test_colours_reach_from_end_to_end() -> None:
    def colours(values: list[float], low: float) -> list[str]:
        panel = Panel("title", ("row",), tuple(map(str, values)), [values], low, 1.0)
        return re.findall(r'stroke="(\S+)" d="[^"]*"><title>', draw(panel, cell=(10, 10), tooltips=True))

    assert colours([-9.0, -1.0, 0.0, 1.0, 9.0], -1.0) == ["#2166ac", "#2166ac", "#ffffff", "#b2182b", "#b2182b"]
    assert colours([0.0, 1.0, float("nan")], 0.0) == ["#ffffff", "#08306b", "none"]


@pytest.mark.parametrize(
    ("values", "limit"), [([0.0], 0.1), ([0.3, -0.9], 1.0), ([0.4] * 99 + [50.0], 0.5), ([1e9], 100)]
)
def test_a_round_number_bounds_nearly_all(values: list[float], limit: float) -> None:
    assert round_limit(torch.tensor(values)) == limit


def test_labels_are_escaped_and_shortened() -> None:
    panel = Panel("<&>\x00", ("<row>",), ("&" * 40, "日本語" * 9), [[0.0, 1.0]], 0.0, 1.0)
    drawing = ElementTree.fromstring(draw(panel, cell=(10, 10)))
    labels = ["".join(text.itertext()) for text in drawing.iter("text")]
    assert drawing.get("aria-label") == "<&>\ufffd"
    assert labels == ["&" * 40 + "&" * 13 + "…", "日本語" * 9 + "日本語日本語…", "<row>"]


class Balance(HTMLParser):
    """Follows the tags of a page and remembers those that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "img", "image", "iframe")
        assert not {"src", "href"} & {name for name, _ in attrs}
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("rect", "path")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(content: str) -> None:
    """Tags are balanced, drawings are XML, nothing is run or fetched."""
    parser = Balance()
    parser.feed(content)
    parser.close()
    assert parser.open == []
    drawings = re.findall(r"<svg.*?</svg>", content, flags=re.DOTALL)
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert not re.search(r"https?://|url\(|@import", content)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff\uffff]", content)
