"""Text in one form: composed, spaced, perhaps in lower case."""

import unicodedata
from typing import Literal

from seq2seq.config import SubwordConfig

# sentencepiece writes a space as U+2581; a byte order mark is not text, wherever it stands.
_RESERVED = str.maketrans({"\u2581": "_", "\ufeff": None})
# NFC rather than NFKC, which would turn the Spanish "1º" into "1o" and "…" into three dots.
_PLAIN = SubwordConfig()


def normalise(text: str, config: SubwordConfig = _PLAIN) -> str:
    """A text as models read and write it: composed, one plain space for each run of white space, none at the ends.

    Lone surrogates, which UTF-8 cannot encode, become ``?``.

    Args:
        text: any.
        config: its Unicode form and its case.
    """
    form: Literal["NFC", "NFKC"] = "NFKC" if config.unicode == "nfkc" else "NFC"
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    composed = unicodedata.normalize(form, encodable.translate(_RESERVED))
    if config.lowercase:
        composed = unicodedata.normalize(form, composed.lower())
    return " ".join(composed.split())
