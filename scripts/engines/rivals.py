"""The toolkits that are compared with ours when they decode: their processes, and what is not alike."""

from dataclasses import dataclass
from pathlib import Path

_RECURRENT = "our sizes with random weights, fp32; gets ids in tensors, not text"


@dataclass(frozen=True)
class Rival:
    """A row of the table.

    Attributes:
        name: in the table.
        environment: the folder with its interpreter is called so.
        module: that runs there.
        arguments: for the module.
        unlike: in what it differs from ours.
        alternative: it is what a user would take instead of ours.
    """

    name: str
    environment: str
    module: str
    arguments: tuple[str, ...]
    unlike: str
    alternative: bool

    def python(self, environments: Path | None) -> Path | None:
        """Its interpreter, if it is installed."""
        path = environments / self.environment / "bin" / "python" if environments else None
        return path if path and path.exists() else None


RIVALS = (
    Rival(
        "CTranslate2 A",
        "ctranslate2",
        "engines.ctranslate",
        ("--layers", "3", "3", "--inner", "1024"),
        "Transformer of 3+3 layers of 256, 8 bits; gets pieces, not text; stops after the last token, where ours also "
        "computes the end mark",
        alternative=True,
    ),
    Rival(
        "CTranslate2 B",
        "ctranslate2",
        "engines.ctranslate",
        ("--layers", "6", "2", "--inner", "1536"),
        "the same with 6+2 layers",
        alternative=True,
    ),
    Rival(
        "bergamot B",
        "bergamot",
        "engines.marian",
        (),
        "Marian's small student: 6+2 layers of 256, in the decoder simple recurrent units, 8 bits, no shortlist; reads "
        "and writes text; sources are all as long as ours on average, so it pads nothing; stops after the last token",
        alternative=True,
    ),
    Rival(
        "OpenNMT-py",
        "opennmt",
        "engines.opennmt",
        (),
        f"{_RECURRENT}; attention and input feeding, which are its default; stops after the last token",
        alternative=False,
    ),
    Rival(
        "OpenNMT-py, like ours",
        "opennmt",
        "engines.opennmt",
        ("--alike",),
        "the same without input feeding; attention if ours has it",
        alternative=False,
    ),
    Rival(
        "fairseq",
        "fairseq",
        "engines.fairseq_lstm",
        (),
        f"{_RECURRENT}; input feeding; attention if ours has it",
        alternative=False,
    ),
    Rival(
        "JoeyNMT",
        "joeynmt",
        "engines.joey",
        (),
        f"{_RECURRENT}; input feeding and attention; bidirectional encoder; stops after the last token",
        alternative=False,
    ),
)
