"""The same sentences and the same 8,000 pieces for every toolkit.

Our toolkit cleans the corpus and learns the pieces; the others get its pieces separated by spaces, so that all
tokenise alike. No training source occurs twice, because OpenNMT-py leaves repeated sources out of a batch.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from peers.toolkit import (
    BATCH,
    CLIP,
    EMBEDDING,
    HIDDEN,
    LAYERS,
    LEARNING_RATE,
    PIECES,
    SMOOTHING,
    SPECIALS,
    SRC,
    TGT,
    Corpus,
    Sample,
    ToolkitError,
)
from seq2seq.config import Config, DataConfig, ModelConfig, SubwordConfig, TrainingConfig
from seq2seq.corpus.prepared import Prepared, prepare
from seq2seq.corpus.token_file import TokenColumn
from seq2seq.recipe import to_toml


def our_config(data: Path, work: Path) -> Config:
    """Our toolkit's recipe."""
    return Config(
        data=DataConfig(
            format="files",
            path=str(data.resolve()),
            src=SRC,
            tgt=TGT,
            validation="val",
            test="test_2016_flickr",
            directory=str(work / "prepared"),
        ),
        subword=SubwordConfig(vocab_size=PIECES),
        model=ModelConfig(
            encoder="bidirectional",
            attention="general",
            reverse_source=False,
            layers=LAYERS,
            hidden_size=HIDDEN,
            embedding_size=EMBEDDING,
            tie_embeddings="none",
            dropout=0.0,
        ),
        training=TrainingConfig(
            learning_rate=LEARNING_RATE,
            schedule="constant",
            max_epochs=1,
            batch_sentences=BATCH,
            label_smoothing=SMOOTHING,
            clip_norm=CLIP,
        ),
    )


def some_pairs(prepared: Prepared, count: int) -> Prepared:
    """The corpus with its first ``count`` training pairs with distinct sources.

    Raises:
        ToolkitError: there are fewer.
    """
    seen: set[tuple[int, ...]] = set()
    rows: list[int] = []
    for row in range(len(prepared.src.lengths())):
        if len(rows) == count:
            break
        source = tuple(prepared.src[row])
        if source not in seen:
            seen.add(source)
            rows.append(row)
    if len(rows) < count:
        raise ToolkitError(f"{len(rows)} training pairs are too few for {count // BATCH} updates of {BATCH}")
    src, tgt = (TokenColumn([]).followed_by(column.take(np.array(rows))) for column in (prepared.src, prepared.tgt))
    return replace(prepared, src=src, tgt=tgt)


def make_corpus(data: Path, work: Path, updates: tuple[int, int]) -> Corpus:
    """Makes the files of all toolkits.

    Args:
        data: folder with ``{train,val,test_2016_flickr}.{en,de}``.
        work: where to write.
        updates: of the short and of the long training.
    """
    config = our_config(data, work)
    prepared = prepare(config)
    work.mkdir(parents=True, exist_ok=True)
    recipe = work / "recipe.toml"
    recipe.write_text(to_toml(config), encoding="utf-8")
    subword = prepared.vocabularies.src
    short, long = (
        _sample(prepared, count * BATCH, work / name) for name, count in zip(("short", "long"), updates, strict=True)
    )
    return Corpus(recipe, tuple(subword.pieces(range(SPECIALS, len(subword)))), short, long)


def _sample(prepared: Prepared, count: int, folder: Path) -> Sample:
    selected = some_pairs(prepared, count)
    paths = [folder / f"train.{language}" for language in (SRC, TGT)]
    for path, column in zip(paths, (selected.src, selected.tgt), strict=True):
        _write(path, (" ".join(prepared.vocabularies.src.pieces(column[row])) for row in range(count)))
    return Sample(paths[0], paths[1], pairs=count, tokens=int((selected.tgt.lengths() + 1).sum()))


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
