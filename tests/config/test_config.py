"""Settings: every fault is found, all at once, and named."""

import pytest

from seq2seq.config import Config, DataConfig, DecodingConfig, ModelConfig, SubwordConfig, TrainingConfig
from seq2seq.config.decoding import unused_settings
from seq2seq.errors import ConfigError

ENDS = TrainingConfig(max_updates=1)


def faults(**tables: object) -> str:
    with pytest.raises(ConfigError) as caught:
        Config(**({"training": ENDS} | tables))
    return str(caught.value)


def test_a_linear_schedule_without_an_end_is_refused() -> None:
    assert "decays towards an end" in faults(training=TrainingConfig(patience=3))


def test_linear_decay_needs_an_end_to_decay_to() -> None:
    assert 'schedule = "linear"' in faults(training=TrainingConfig(patience=3))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (ModelConfig(layers=0), "model.layers = 0 must be at least 1"),
        (ModelConfig(layers=10**9), "model.layers"),
        (ModelConfig(dropout=1.5), "model.dropout = 1.5"),
        (ModelConfig(hidden_size=(8, 8)), "must be one width or 3"),
        (ModelConfig(hidden_size=10**9), "between 1 and 65536"),
        (ModelConfig(decoder_layers=2), 'set model.bridge = "project"'),
        (ModelConfig(hidden_size=(8, 16, 8), decoder_hidden_size=8), 'set model.bridge = "project"'),
        (ModelConfig(decoder_cell="gru"), "cannot hand the state of lstm to gru"),
        (ModelConfig(attention="dot", bridge="mean", decoder_hidden_size=8), 'set model.attention = "general"'),
        (ModelConfig(encoder="bidirectional", hidden_size=7), "must be even"),
        (ModelConfig(encoder="convolutional", filter_width=4), "must be odd"),
        (ModelConfig(input_feeding=True), "needs attention"),
        (ModelConfig(input_feeding=True, attention="dot", variational=True), "one mask for all steps"),
        (ModelConfig(input_feeding=True, attention="dot", weight_dropout=0.1), "one mask for all steps"),
        (ModelConfig(zoneout=0.1), "needs cells that take single steps"),
        (ModelConfig(residual_from=4), "model.residual_from = 4 must be at most 3"),
        (ModelConfig(forget_bias=float("nan")), "model.forget_bias = nan"),
        (ModelConfig(layers=0, decoder_layers=2, attention="dot"), "model.layers = 0 must be at least 1"),
        (ModelConfig(layers=2, decoder_layers=-1, attention="dot"), "model.decoder_layers = -1"),
        (ModelConfig(hidden_size=(), decoder_hidden_size=8), "names no width"),
        (ModelConfig(decoder_hidden_size=()), "names no width"),
    ],
)
def test_impossible_models_are_named(model: ModelConfig, expected: str) -> None:
    assert expected in faults(model=model)


def test_projecting_bridge_joins_any_two_shapes() -> None:
    Config(
        training=ENDS,
        model=ModelConfig(bridge="project", hidden_size=(8, 16, 8), decoder_layers=1, decoder_hidden_size=4),
    )


def test_only_unigram_and_bpe_have_other_ways_to_split() -> None:
    assert "subword.sampling" in faults(subword=SubwordConfig(type="char", sampling=0.1))


def test_tied_tables_need_a_joint_vocabulary() -> None:
    assert "subword.joint = true" in faults(subword=SubwordConfig(joint=False))


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [("digits", '"reverse" or "copy"'), ("dates", '"iso"'), ("numbers", '"to-words" or "to-digits" or "both"')],
)
def test_what_is_made_on_the_spot_needs_a_job_and_a_number(kind: str, allowed: str) -> None:
    message = faults(data=DataConfig(format=kind, path="sort", train="many", test="test"))
    assert f'data.path = "sort" must be {allowed} when data.format = "{kind}"' in message
    assert 'data.train = "many"' in message
    assert "data.validation and data.test must be empty" in message


def test_a_joint_vocabulary_has_one_type_of_pieces() -> None:
    message = faults(subword=SubwordConfig(tgt_type="word"))
    assert 'subword.tgt_type = "word" must be "same" when subword.joint = true' in message
    sampled = SubwordConfig(tgt_type="word", joint=False, sampling=0.1)
    assert 'subword.sampling = 0.1 needs subword.type = "unigram" or "bpe", found "word"' in faults(subword=sampled)


def test_the_targets_settings_are_the_sources_where_they_say_nothing() -> None:
    assert SubwordConfig(vocab_size=50).of_target() == SubwordConfig(vocab_size=50)
    own = SubwordConfig(type="char", tgt_type="word", vocab_size=50, tgt_vocab_size=30, joint=False)
    assert (own.of_target().type, own.of_target().vocab_size) == ("word", 30)


@pytest.mark.parametrize(
    ("decoding", "unused"),
    [
        (DecodingConfig(), {}),
        (DecodingConfig(sample=True, temperature=0.5, top_k=3, top_p=0.9), {}),
        (DecodingConfig(beam=4, diverse_groups=2, diversity=0.9, coverage_penalty=0.2, length_penalty=0.4), {}),
        (
            DecodingConfig(temperature=0.5, top_k=3, top_p=0.9),
            dict.fromkeys(("temperature", "top_k", "top_p"), "decoding.sample = false (add --sample)"),
        ),
        (
            DecodingConfig(beam=4, sample=True, diverse_groups=2, diversity=0.9, coverage_penalty=0.2),
            dict.fromkeys(
                ("diverse_groups", "diversity", "coverage_penalty"), "decoding.sample = true (add --no-sample)"
            ),
        ),
        (
            DecodingConfig(normalisation="average", length_penalty=0.4),
            {"length_penalty": 'decoding.normalisation = "average" (add --normalisation gnmt)'},
        ),
        (DecodingConfig(diversity=0.9), {"diversity": "decoding.diverse_groups = 1 (add --diverse-groups)"}),
    ],
)
def test_settings_that_others_leave_without_effect_are_named(decoding: DecodingConfig, unused: dict[str, str]) -> None:
    assert dict(unused_settings(decoding)) == unused
    if unused:
        message = faults(decoding=decoding)
        assert all(f"decoding.{name} has no meaning with {reason}" in message for name, reason in unused.items())


@pytest.mark.parametrize(
    ("decoding", "expected"),
    [
        (DecodingConfig(min_length=5, max_length=4), "decoding.min_length = 5 is more than decoding.max_length = 4"),
        (DecodingConfig(min_ratio=2.0, max_ratio=1.0), "decoding.min_ratio = 2.0 is more than"),
        (DecodingConfig(beam=5, diverse_groups=2), "cannot share out decoding.beam = 5"),
        (DecodingConfig(mbr=1), "decoding.mbr = 1 leaves nothing to choose from"),
        (DecodingConfig(beam=4, mbr=5), "decoding.mbr = 5 needs as many candidates, found decoding.beam = 4"),
    ],
)
def test_contradictions_are_named(decoding: DecodingConfig, expected: str) -> None:
    assert expected in faults(decoding=decoding)


def test_all_faults_come_at_once() -> None:
    message = faults(
        model=ModelConfig(layers=0, dropout=2.0), data=DataConfig(format="wheel"), training=TrainingConfig(patience=3)
    )
    for key in ("model.layers", "model.dropout", "data.sha256", "towards an end"):
        assert key in message


@pytest.mark.parametrize("tag", ["e", "pt_BR", "en-", "en/../x", "日本"])
def test_languages_are_tags(tag: str) -> None:
    assert f'data.tgt_language = "{tag}" must be a BCP 47 tag' in faults(data=DataConfig(tgt_language=tag))


@pytest.mark.parametrize("tag", ["", "en", "pt-BR", "zh-Hans-CN"])
def test_tags_are_languages(tag: str) -> None:
    Config(data=DataConfig(src_language=tag, tgt_language=tag), training=ENDS)
