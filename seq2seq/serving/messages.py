"""The bodies of requests and responses."""

from dataclasses import dataclass
from typing import Annotated, Literal

from seq2seq.config.ranges import Range

Beam = Annotated[int, Range(1, 32)]


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslateRequest:
    """Either `sentences`, each translated as it is, or `text`, which is split into sentences first.

    `model` names a run; else `source` and `target`, language tags, choose one; else the first run translates.
    """

    sentences: Annotated[list[str], Range(1)] | None = None
    text: str | None = None
    model: str | None = None
    source: str | None = None
    target: str | None = None
    beam: Beam | None = None
    nbest: Beam = 1
    alignments: bool = False
    tokens: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """An output. `score` ranks outputs; `log_prob` is log p(output | source), in nats."""

    text: str
    score: float
    log_prob: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A subword of an output, or its end mark, and its log-probability given all before it, in nats."""

    text: str
    log_prob: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Alignment:
    """Attention: `weights` has a row for each target token, with a weight for each source token; both end in a mark."""

    source: list[str]
    target: list[str]
    weights: list[list[float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """The best output for a sentence.

    `space` is the white space after it in `text`; `cut` says that the source was longer than the model reads;
    `alternatives` are the outputs of an n-best list after the first.
    """

    source: str
    text: str
    score: float
    log_prob: float
    space: str = ""
    cut: bool = False
    alternatives: list[Alternative] | None = None
    alignment: Alignment | None = None
    tokens: list[Token] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslateResponse:
    """A translation for each sentence, in their order; `text` is the whole, for a request with `text`."""

    model: str
    translations: list[Output]
    text: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PairToScore:
    """A sentence and a translation of it."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreRequest:
    """Pairs to score; the model is chosen as for translations."""

    pairs: Annotated[list[PairToScore], Range(1)]
    model: str | None = None
    source: str | None = None
    target: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """log p(target | source) in nats, by token, and of each token."""

    log_prob: float
    per_token: float
    tokens: list[Token]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreResponse:
    """A score for each pair, in their order."""

    model: str
    scores: list[Score]


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionResponse:
    """Captions of a picture, best first."""

    model: str
    captions: list[Alternative]


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A served run; `card` is the address of its model card, if it has one."""

    name: str
    kind: Literal["translation", "caption"]
    source: str
    target: str
    attention: bool
    beam: int
    max_tokens: int
    card: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelsResponse:
    """The served runs."""

    models: list[Model]


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """`alive`: the server answers; `ready`: it can translate."""

    alive: bool
    ready: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LibreRequest:
    """LibreTranslate's request; its JSON, a form or the query string may hold it."""

    q: str | list[str]
    source: str = "auto"
    target: str = ""
    format: Literal["text", "html"] = "text"
    alternatives: Annotated[int, Range(0, 31)] = 0
    api_key: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectedLanguage:
    """A language and how sure that is, in percent."""

    language: str
    confidence: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LibreResponse:
    """LibreTranslate's response: strings for a string, lists for a list."""

    translatedText: str | list[str]  # noqa: N815 - LibreTranslate's name
    alternatives: list[str] | list[list[str]] | None = None
    detectedLanguage: DetectedLanguage | list[DetectedLanguage] | None = None  # noqa: N815


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectRequest:
    """A text whose language is asked for."""

    q: str
    api_key: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """A source language, and the languages it can be translated to."""

    code: str
    name: str
    targets: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Error:
    """Why there is no answer."""

    error: str
