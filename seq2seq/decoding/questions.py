"""Sources and constraints as a model reads them, and its outputs as people do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from seq2seq.config import SubwordConfig
from seq2seq.corpus.placeholders import Placeholders, Protected
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.outputs import Translation


@dataclass(frozen=True, slots=True)
class Questions:
    """Sources whose protected texts are replaced by placeholders, with the constraints on their outputs."""

    protected: Sequence[Protected]
    asked: Constraints
    """As the user wrote them, in the model's case and Unicode form."""

    @classmethod
    def of(cls, sources: Sequence[str], constraints: Constraints, subword: SubwordConfig) -> "Questions":
        """The sources as models with these settings read them."""
        placeholders = Placeholders.of(subword.protect)
        return cls([placeholders.protect(source) for source in sources], constraints.normalised(subword))

    @property
    def texts(self) -> list[str]:
        """What the model reads."""
        return [one.text for one in self.protected]

    @property
    def constraints(self) -> Constraints:
        """What its outputs must look like, with the placeholders of their sources."""
        prefixes, required = self.asked.prefixes, self.asked.required
        return replace(
            self.asked,
            prefixes=[one.mask(text) for one, text in zip(self.protected, prefixes, strict=True)] if prefixes else (),
            required=[list(map(one.mask, texts)) for one, texts in zip(self.protected, required, strict=True)]
            if required
            else (),
        )

    def answered(self, lists: Sequence[Sequence[Translation]]) -> list[list[Translation]]:
        """Outputs with the originals of their placeholders, those that violate the fewest constraints first."""
        restored = [
            [replace(output, text=one.restore(output.text)) for output in outputs]
            for one, outputs in zip(self.protected, lists, strict=True)
        ]
        return self.asked.satisfied_first(restored)
