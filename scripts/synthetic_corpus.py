"""Makes a synthetic corpus of any size in the hub's format, to measure the cost of preparing and starting.

Words follow Zipf's law, sentences have 25 words on average, every word has one translation of one or two words, and one
pair in fifty is repeated. The corpus is a function of its size. docs/scaling.md says how it was used.

    python scripts/synthetic_corpus.py 1000000 /tmp/million
    python -m seq2seq prepare wmt14-en-fr --set data.path=/tmp/million
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

WORDS, SHARD = 200_000, 100_000
CARD = """---
configs:
- config_name: fr-en
  data_files:
  - {split: train, path: fr-en/train-*}
  - {split: validation, path: fr-en/validation-*}
  - {split: test, path: fr-en/test-*}
---
"""


def lexicon(generator: np.random.Generator) -> tuple[list[str], list[str]]:
    """Source words, the most frequent and shortest first, and their translations."""
    syllables = [c + v + e for e in ("", "n", "r", "s", "t") for c in "bcdfglmnprstv" for v in "aeéio"]
    lengths = 1 + generator.poisson(np.log10(1 + np.arange(3 * WORDS) % WORDS) / 4)
    choices = generator.integers(len(syllables), size=lengths.sum())
    words = [
        "".join(syllables[choice] for choice in choices[end - length : end])
        for end, length in zip(np.cumsum(lengths), lengths, strict=True)
    ]
    source, target, second = words[:WORDS], words[WORDS : 2 * WORDS], words[2 * WORDS :]
    return source, [
        f"{first} {other}" if number % 5 == 0 else first
        for number, (first, other) in enumerate(zip(target, second, strict=True))
    ]


def pairs(count: int, seed: int, source: list[str], target: list[str]) -> Iterator[dict[str, str]]:
    """``count`` pairs: a function of the seed."""
    generator = np.random.default_rng(seed)
    cumulative = np.cumsum(1 / (np.arange(WORDS) + 2.7))
    lengths = 1 + generator.gamma(2.5, 24 / 2.5, count).astype(int)
    words = np.searchsorted(cumulative, generator.random(lengths.sum()) * cumulative[-1])
    previous: dict[str, str] = {}
    for row, end in enumerate(np.cumsum(lengths)):
        ids = words[end - lengths[row] : end].tolist()
        pair = {
            "en": " ".join([source[word] for word in ids]).capitalize() + ".",
            "fr": " ".join([target[word] for word in ids]).capitalize() + ".",
        }
        previous = previous if previous and row % 50 == 0 else pair
        yield previous


def main() -> None:
    """Writes the shards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="training pairs")
    parser.add_argument("out", type=Path, help="folder, to be set as data.path of a wmt14 recipe")
    options = parser.parse_args()
    source, target = lexicon(np.random.default_rng(0))
    (options.out / "fr-en").mkdir(parents=True, exist_ok=True)
    (options.out / "README.md").write_text(CARD, encoding="utf-8")
    shards = [min(SHARD, options.count - start) for start in range(0, options.count, SHARD)]
    parts = [("validation", 3000), ("test", 3000), *(("train", size) for size in shards)]
    for number, (part, size) in enumerate(parts):
        rows = [{"translation": pair} for pair in pairs(size, number + 1, source, target)]
        path = options.out / "fr-en" / f"{part}-{number:05d}.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


if __name__ == "__main__":
    main()
