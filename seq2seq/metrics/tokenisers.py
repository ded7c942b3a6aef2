"""Which of sacreBLEU's tokenisers fits a script, and whether it is installed."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

from sacrebleu.metrics.bleu import BLEU

from seq2seq.config.evaluation import Tokeniser
from seq2seq.errors import ConfigError

# Scripts without spaces, as the names of their characters begin.
_HAN = {"CJK", "IDEOGRAPHIC"}
_UNSPACED = _HAN | {"HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
# Of the letters without spaces: a Chinese text may quote some kana, and in a Japanese one a third are kana.
_ALONE = 0.9


def fitting_tokeniser(texts: Sequence[str]) -> Tokeniser:
    """``13a``; for texts most of whose letters are of scripts without spaces, ``zh`` for Han alone, else ``char``."""
    scripts: Counter[str] = Counter()
    for character, count in Counter("".join(texts)).items():
        if unicodedata.category(character)[0] in "LM":
            scripts[unicodedata.name(character, "").partition(" ")[0]] += count
    unspaced, han = (sum(scripts[name] for name in names) for names in (_UNSPACED, _HAN))
    if unspaced <= scripts.total() / 2:
        return "13a"
    return "zh" if han >= _ALONE * unspaced else "char"


@cache
def require_tokeniser(name: Tokeniser) -> None:
    """Checks that a tokeniser works here, before any work.

    Raises:
        ConfigError: its packages or its model are missing.
    """
    if name == "auto":
        return
    remedies = {
        "ja-mecab": "pip install 'sacrebleu[ja]'",
        "ko-mecab": "pip install 'sacrebleu[ko]'",
        "flores200": "connect to the network once, so that sacreBLEU can fetch the tokeniser's model",
    }
    try:
        BLEU(tokenize=name)
    except (RuntimeError, ImportError, OSError, AssertionError):
        raise ConfigError(
            f'evaluation.tokenize = "{name}" needs what is not here: {remedies[name]}, or choose another tokeniser'
        ) from None
