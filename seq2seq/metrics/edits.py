"""Error rates: edit distances in characters (CER) or words (WER), as speech recognition reports them."""

from collections.abc import Sequence
from typing import Any, Literal

import rapidfuzz
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics.base import Metric, Score, Signature

Unit = Literal["character", "word"]


class _ErrorRateSignature(Signature):
    """In sacreBLEU's form: ``nrefs:1|case:mixed|unit:word|distance:rapidfuzz-3.14.6|version:…``."""

    def __init__(self, args: dict[str, Any]) -> None:
        super().__init__(args)
        self.info |= {
            "case": "lc" if args["lowercase"] else "mixed",
            "unit": args["unit"],
            "distance": f"rapidfuzz-{rapidfuzz.__version__}",
        }


class ErrorRate(Metric):
    """Insertions, deletions and substitutions for each 100 units of the references, over the whole corpus; 0 is best.

    Of several references the nearest one counts, with its length: the one with the fewest edits, the longest of those.
    Words are what stands between white space: so phonemes are, and letters of other alphabets that are spelled apart.
    One of sacreBLEU's metrics, so that its resampling and its significance tests apply.

    Args:
        unit: what is counted.
        lowercase: compare texts in lower case.
    """

    _SIGNATURE_TYPE = _ErrorRateSignature

    def __init__(self, unit: Unit, *, lowercase: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.unit, self.lowercase = unit, lowercase

    def units(self, text: str) -> Sequence[str]:
        """The characters or words of a text."""
        cased = text.lower() if self.lowercase else text
        return cased.split() if self.unit == "word" else cased

    def _preprocess_segment(self, sent: str) -> str:
        return sent

    def _extract_reference_info(self, refs: Sequence[str]) -> dict[str, Any]:
        return {"references": [self.units(text) for text in refs]}

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: dict[str, Any]) -> list[int]:
        """Edits to the nearest reference, and its length."""
        units = self.units(hypothesis)
        return min(
            ([Levenshtein.distance(units, reference), len(reference)] for reference in ref_kwargs["references"]),
            key=lambda found: (found[0], -found[1]),
        )

    def _compute_score_from_stats(self, stats: Sequence[float]) -> Score:
        edits, length = stats
        # As TER has it, any edit of nothing is an error of 100 %.
        return Score("CER" if self.unit == "character" else "WER", 100 * (edits / length if length else min(edits, 1)))

    def _aggregate_and_compute(self, stats: Sequence[Sequence[float]]) -> Score:
        edits, lengths = zip(*stats, strict=True)
        return self._compute_score_from_stats([sum(edits), sum(lengths)])
