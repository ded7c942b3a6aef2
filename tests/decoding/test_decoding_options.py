"""What the options of decoding promise, on a trained model."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

import seq2seq
from seq2seq.config import DecodingConfig, ModelConfig, SubwordConfig
from seq2seq.corpus.subword import UNK, Subword, Vocabularies
from seq2seq.decoding import scoring
from seq2seq.decoding.constraints import Constraints, contains
from seq2seq.decoding.ensemble import combine
from seq2seq.decoding.outputs import coverage_penalty, fill_unknown, seed_of
from seq2seq.decoding.readers import Member
from seq2seq.decoding.scoring import alignments, log_probs, token_log_probs
from seq2seq.decoding.translator import Translator
from seq2seq.errors import ConfigError, RunError
from seq2seq.graphs import Recorder
from seq2seq.model.build import build_model
from seq2seq.model.quantised import quantise
from seq2seq.search.hypothesis import Ranking
from seq2seq.search.recorded import Recordings

SOURCES = ["123", "", "9", "55555", "8675309", "42"]
KINDS = [
    DecodingConfig(beam=1),
    DecodingConfig(beam=4),
    DecodingConfig(beam=4, normalisation="average"),
    DecodingConfig(beam=6, diverse_groups=2),
    DecodingConfig(beam=4, no_repeat_ngram=2),
    DecodingConfig(beam=4, min_length=9),
    DecodingConfig(beam=4, min_ratio=1.2, max_ratio=1.5),
    DecodingConfig(beam=4, mbr=4),
    DecodingConfig(sample=True, seed=5),
    DecodingConfig(sample=True, top_k=3, temperature=2.0, mbr=8),
    DecodingConfig(sample=True, top_p=0.9, mbr=6),
]


_WORDS = Subword.train(["1, 2,3 (42)", "55-5 a.b, c_ 9'9"], SubwordConfig(type="word"), vocab_size=40)
WORDS = Vocabularies(_WORDS, _WORDS)


@pytest.fixture(scope="module")
def exact(digits_run: Path) -> Translator:
    """In float64, where the order of sums does not show."""
    translator = seq2seq.load(digits_run, device="cpu", engine="torch")
    translator.model.double()
    return translator


@pytest.fixture(scope="module")
def make(digits_run: Path) -> Callable[..., Translator]:
    """Makes a translator around small untrained float64 models, one for each seed."""
    loaded = seq2seq.load(digits_run, device="cpu")

    def translator(*seeds: int, vocabularies: Vocabularies | None = None, **settings: object) -> Translator:
        members, vocabularies = [], vocabularies or loaded.vocabularies
        for seed in seeds or (1,):
            torch.manual_seed(seed)
            defaults = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0}
            config = replace(loaded.config, model=ModelConfig(**(defaults | settings)))
            model = build_model(config.model, len(vocabularies.src), len(vocabularies.tgt)).double().eval()
            with torch.no_grad():
                model.decoder.output.bias.normal_()  # so that outputs are neither all alike nor all long
            members.append(Member(model, vocabularies, config, loaded.members[0].target_lengths))
        return Translator(members, loaded.device_spec)

    return translator


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_neither_order_nor_batches_matter(options: DecodingConfig, exact: Translator) -> None:
    one_by_one = [exact.translate([source], options)[0] for source in SOURCES]
    for size in (60, 100_000):
        together = exact.translate(SOURCES[::-1], replace(options, batch_tokens=size))[::-1]
        assert [output.text for output in together] == [output.text for output in one_by_one]
        assert [output.score for output in together] == pytest.approx([output.score for output in one_by_one])


@pytest.mark.parametrize("options", [DecodingConfig(beam=4, coverage_penalty=0.5), DecodingConfig(beam=4)], ids=str)
def test_nor_do_they_with_attention_and_demands_and_company(
    options: DecodingConfig, make: Callable[..., Translator]
) -> None:
    both = make(1, 2, attention="general")
    constraints = Constraints(
        prefixes=["", "", "7", "", "1", ""], required=[["4", "12"], [], ["8"], [], [], ["3"]], blocked=["5"]
    )
    one_by_one = [both.translate([source], options, constraints.of([row]))[0] for row, source in enumerate(SOURCES)]
    order = [4, 1, 0, 5, 3, 2]
    together = both.translate(
        [SOURCES[row] for row in order], replace(options, batch_tokens=300), constraints.of(order)
    )
    for row, output in zip(order, together, strict=True):
        assert output.text == one_by_one[row].text
        assert output.score == pytest.approx(one_by_one[row].score)


@pytest.mark.parametrize(
    "settings", [{}, {"attention": "dot"}, {"attention": "general", "input_feeding": True}], ids=str
)
@pytest.mark.parametrize("bridge", ["copy", "first-input", "every-step"])
def test_recorded_steps_give_the_same(
    settings: dict[str, object], bridge: str, make: Callable[..., Translator], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = make(1, 2, bridge=bridge, **settings)
    for options in KINDS:
        expected = both.nbest(SOURCES, 2, options)
        with monkeypatch.context() as patch:
            patch.setattr(both, "recordings", Recordings(Recorder(torch.device("cpu")), steps=3))
            for again in range(2):
                found = both.nbest(SOURCES[:: 1 - 2 * again], 2, options)[:: 1 - 2 * again]
                assert [[one.text for one in outputs] for outputs in found] == [
                    [one.text for one in outputs] for outputs in expected
                ]
                for outputs, others in zip(found, expected, strict=True):
                    assert [one.score for one in outputs] == pytest.approx([one.score for one in others])


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_short_list_is_the_beginning_of_a_long_one(seed: int, make: Callable[..., Translator]) -> None:
    translator, options = make(seed), DecodingConfig(beam=5, no_repeat_ngram=1, max_length=8)
    company = Constraints(prefixes=["7", *[""] * (len(SOURCES) - 1)])
    whole = translator.nbest(SOURCES, 5, options)
    assert [found[0].text for found in translator.nbest(SOURCES, 1, options)] == [found[0].text for found in whole]
    assert [found[0].text for found in translator.nbest(SOURCES, 1, options, company)[1:]] == [
        found[0].text for found in whole[1:]
    ]


@pytest.mark.parametrize("options", [kind for kind in KINDS if not kind.mbr], ids=str)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("vocabularies", [None, WORDS], ids=["subwords", "words"])
def test_lists_are_sorted_and_unique_and_scored_as_their_text_is(
    options: DecodingConfig, seed: int, vocabularies: Vocabularies | None, make: Callable[..., Translator]
) -> None:
    # Each digit can be spelled as itself and as a byte, so search comes upon a text in several spellings; of words
    # some could be put together that no text is made of.
    translator = make(seed, vocabularies=vocabularies)
    for source, found in zip(SOURCES, translator.nbest(SOURCES, options.beam, options), strict=True):
        assert len({output.text for output in found}) == len(found)
        assert [output.score for output in found] == sorted((output.score for output in found), reverse=True)
        if source:
            ids = [translator.vocabularies.tgt.encode(output.text) for output in found]
            assert [output.log_prob for output in found] == pytest.approx(
                log_probs(translator, [source] * len(found), ids)
            )


def test_an_ensemble_of_a_model_with_itself_is_the_model(exact: Translator) -> None:
    for combination in ("average", "log-linear"):
        options = DecodingConfig(combination=combination)
        twice = Translator(exact.members * 2, exact.device_spec)
        for one, two in zip(exact.nbest(SOURCES, 3, options), twice.nbest(SOURCES, 3, options), strict=True):
            assert [output.text for output in one] == [output.text for output in two]
            assert [output.score for output in one] == pytest.approx([output.score for output in two])


def test_an_ensemble_is_the_mean_of_its_members(make: Callable[..., Translator]) -> None:
    both, target = make(1, 2), [[5, 6, 7]]
    each = [token_log_probs(Translator([member], both.device_spec), ["123"], target)[0] for member in both.members]
    mean = torch.stack(each).exp().mean(0).log()
    assert torch.allclose(token_log_probs(both, ["123"], target)[0], mean)


def test_log_linear_is_the_normalised_geometric_mean() -> None:
    one, other = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.9, 0.1]).log()
    # √(0.5 · 0.9) and √(0.5 · 0.1) are in the proportion 3 : 1.
    assert torch.allclose(combine([one, other], "log-linear").exp(), torch.tensor([0.75, 0.25]))
    assert torch.allclose(combine([one, other], "average").exp(), torch.tensor([0.7, 0.3]))


def test_the_sentence_and_the_seed_decide_what_is_drawn() -> None:
    assert len({seed_of(seed, source) for seed in (1, 2) for source in ("a", "b")}) == 4


@pytest.mark.parametrize("combination", ["average", "log-linear"])
def test_a_list_is_scored_the_way_its_ensemble_is_combined(combination: str, make: Callable[..., Translator]) -> None:
    both, options = make(1, 2), DecodingConfig(beam=5, combination=combination)
    for source, found in zip(["123", "8675309"], both.nbest(["123", "8675309"], 5, options), strict=True):
        ids = [both.vocabularies.tgt.encode(output.text) for output in found]
        scores = log_probs(both, [source] * len(found), ids, options)
        assert [output.log_prob for output in found] == pytest.approx(scores)
        other = DecodingConfig(combination="average" if combination == "log-linear" else "log-linear")
        assert log_probs(both, [source] * len(found), ids, other) != pytest.approx(scores)


def test_long_targets_are_scored_without_all_their_logits_at_once(
    make: Callable[..., Translator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "_CELLS", 1 << 12)
    translator = make(1, attention="dot")
    decoder, most = translator.model.decoder, 0

    def note(_: object, __: object, logits: torch.Tensor) -> None:
        nonlocal most
        most = max(most, logits.numel())

    targets = [[5 + number % 9] * (20 * number) for number in range(1, 21)]
    apart = [log_probs(translator, ["123"], [target])[0] for target in targets]
    with decoder.output.register_forward_hook(note):
        together = log_probs(translator, ["123"] * len(targets), targets)
    assert together == pytest.approx(apart)
    assert 0 < most <= scoring._CELLS


def test_different_encoders_decode_together(make: Callable[..., Translator]) -> None:
    one = make(1)
    other = make(2, encoder="bidirectional", attention="general", reverse_source=False, layers=1)
    assert len(Translator([*one.members, *other.members], one.device_spec).translate(SOURCES)) == len(SOURCES)


def test_other_vocabularies_do_not_decode_together(digits_run: Path, other_run: Path) -> None:
    with pytest.raises(RunError, match="different target vocabularies"):
        Translator.load(digits_run, other_run)


def test_demands_are_met(exact: Translator) -> None:
    constraints = Constraints(
        prefixes=["9", "", "", "12", "", ""], required=[["5"], [], ["1", "2"], [], ["77"], []], blocked=["3"]
    )
    outputs = exact.translate(SOURCES, DecodingConfig(beam=6), constraints)
    assert outputs[1].text == ""
    assert [constraints.unmet(row, output.text) for row, output in enumerate(outputs) if SOURCES[row]] == [[]] * 5


def test_unmet_demands_are_named() -> None:
    constraints = Constraints(prefixes=["x"], required=[["casa"]], blocked=["perro"])
    assert len(constraints.unmet(0, "el perro")) == 3
    assert constraints.unmet(0, "xa casa perros") == []


def test_a_whole_word_is_meant() -> None:
    assert contains("la casa, sí", "casa")
    assert not contains("se casado", "casa")


@pytest.mark.parametrize("attention", ["dot", "general", "additive"])
@pytest.mark.parametrize("reverse", [True, False])
def test_alignments_follow_the_text(attention: str, reverse: bool, make: Callable[..., Translator]) -> None:
    translator = make(1, attention=attention, reverse_source=reverse)
    targets = [[5, 6], [7, 8, 9, 5]]
    together = alignments(translator, ["12", "8675309"], targets)
    for source, target, look in zip(["12", "8675309"], targets, together, strict=True):
        assert look.shape == (len(target) + 1, len(translator.vocabularies.src.encode(source)) + 1)
        assert torch.allclose(look.sum(1), torch.ones(len(look)))
        batch = translator.reader.batches([source], [target])[0]
        weights = translator.model.decoder.align(batch.tgt_in, translator.model.encode(batch)[1])[0].float()
        words = weights[:, :-1].flip(1) if reverse else weights[:, :-1]
        assert torch.allclose(look[:, :-1], words)


def test_coverage_prefers_outputs_that_look_everywhere(make: Callable[..., Translator]) -> None:
    assert coverage_penalty(torch.eye(3), 1.0) == pytest.approx(0.0)
    assert coverage_penalty(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), 2.0) == pytest.approx(2 * torch.tensor(0.5).log())
    translator = make(1, attention="dot")
    options = DecodingConfig(beam=5, coverage_penalty=0.7)
    plain = {output.text: output for output in translator.nbest(["8675309"], 5, DecodingConfig(beam=5))[0]}
    for output in translator.nbest(["8675309"], 5, options)[0]:
        (look,) = alignments(translator, ["8675309"], [output.ids])
        assert output.score == pytest.approx(plain[output.text].score + coverage_penalty(look, 0.7))


def test_texts_spelled_another_way_have_the_coverage_penalty_too(make: Callable[..., Translator]) -> None:
    translator = make(1, attention="dot")
    options, ranking, respelled = DecodingConfig(beam=5, max_length=3, coverage_penalty=0.7), Ranking(), 0
    for source in filter(None, SOURCES):
        searched = {output.ids for output in translator._outputs([source], 5, options, Constraints())[0]}
        for output in translator.nbest([source], 5, options)[0]:
            (look,) = alignments(translator, [source], [output.ids])
            plain, penalty = ranking.score(output.log_prob, len(output.ids)), coverage_penalty(look, 0.7)
            assert output.score == pytest.approx(plain + penalty)
            respelled += output.ids not in searched and penalty < -0.01
    assert respelled


def test_unknown_words_are_copied_from_where_the_model_looked() -> None:
    looks = torch.tensor([[0.1, 0.8, 0.1], [0.9, 0.05, 0.05], [0.0, 0.0, 1.0]])
    assert fill_unknown(["a", "<unk>"], [5, UNK], "Hello Zanzibar", looks, _WORDS) == ["a", "Hello"]
    assert fill_unknown(["<unk>", "b"], [UNK, 5], "Hello Zanzibar", looks, _WORDS) == ["Zanzibar", "b"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample": True, "diverse_groups": 5}, "diverse_groups has no meaning"),
        ({"temperature": 0.5}, "temperature has no meaning"),
        ({"mbr": 9}, "needs as many candidates"),
        ({"beam": 5, "diverse_groups": 2}, "cannot share out"),
        ({"min_length": 9, "max_length": 3}, "is more than"),
        ({"normalisation": "none", "length_penalty": 0.5}, "length_penalty has no meaning"),
        ({"mbr": 1}, "nothing to choose from"),
        ({"top_p": 0.0, "sample": True}, "at least"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, object], message: str, exact: Translator) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(exact.config, decoding=DecodingConfig(**settings))


@pytest.mark.parametrize(
    ("options", "constraints", "message"),
    [
        (DecodingConfig(coverage_penalty=0.2), None, "coverage_penalty needs attention"),
        (DecodingConfig(replace_unknown=True), None, "vocabularies of words"),
        (DecodingConfig(sample=True), Constraints(required=[["a"]]), "plain beam"),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    options: DecodingConfig, constraints: Constraints | None, message: str, exact: Translator
) -> None:
    with pytest.raises(ConfigError, match=message):
        exact.translate(["1"], options, constraints)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("attention", ["none", "additive"])
def test_eight_bits_are_close_to_the_truth(cell: str, attention: str, make: Callable[..., Translator]) -> None:
    translator = make(1, cell=cell, attention=attention, hidden_size=64)
    translator.model.float()
    before = torch.cat(token_log_probs(translator, ["123", "8675309"], [[5, 6, 7], [8, 9, 5, 6]]))
    quantise(translator.model)
    after = torch.cat(token_log_probs(translator, ["123", "8675309"], [[5, 6, 7], [8, 9, 5, 6]]))
    assert not torch.equal(before, after)
    assert torch.allclose(before, after, atol=0.05)


def test_eight_bits_translate_alike(digits_run: Path) -> None:
    sources = [str(number * 7919) for number in range(60)]
    fp32, int8 = (seq2seq.load(digits_run, device="cpu", precision=name) for name in ("fp32", "int8"))
    same = [one.text == two.text for one, two in zip(fp32.translate(sources), int8.translate(sources), strict=True)]
    assert sum(same) >= 50


def test_outputs_never_hold_a_special_token(make: Callable[..., Translator]) -> None:
    translator = make(3)
    for options in KINDS:
        for found in translator.nbest(SOURCES, 2, replace(options, mbr=0)):
            assert all(min(output.ids, default=9) > 3 for output in found)


def test_no_repeated_bigrams(exact: Translator) -> None:
    for output in exact.translate(["55555", "1212121"], DecodingConfig(no_repeat_ngram=2)):
        pairs = list(pairwise(output.ids))
        assert len(set(pairs)) == len(pairs)
