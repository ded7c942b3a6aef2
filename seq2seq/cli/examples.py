"""Two examples for each command, which end its ``--help``; ``tests/cli/test_examples.py`` runs them."""

import argparse

EXAMPLES = {
    "recipes": ("seq2seq recipes", "seq2seq recipes tatoeba-en-es > mine.toml"),
    "settings": ("seq2seq settings", "seq2seq settings decoding"),
    "new": ("seq2seq new pairs.csv", "seq2seq new pairs.csv > mine.toml"),
    "prepare": ("seq2seq prepare reverse-digits", "seq2seq prepare mine.toml --set data.max_tokens=60"),
    "train": (
        "seq2seq train reverse-digits",
        "seq2seq train mine.toml --run runs/small --set model.hidden_size=256 --set training.max_minutes=30",
    ),
    "status": ("seq2seq status runs/mine", "watch -n 60 seq2seq status runs/mine"),
    "lr-find": ("seq2seq lr-find reverse-digits", "seq2seq lr-find mine.toml --out rates.svg"),
    "average": (
        "seq2seq average runs/mine --out runs/mean-of-checkpoints",
        "seq2seq average runs/mine runs/other --out runs/mean",
    ),
    "pack": ("seq2seq pack runs/mine", "seq2seq pack runs/mine --out for-ann.tar.gz"),
    "translate": (
        "seq2seq translate --model runs/mine < news.en > news.es",
        "seq2seq translate --model runs/mine runs/other --src news.en --beam 10 --nbest 5",
    ),
    "caption": (
        "seq2seq caption --model runs/emoji-captions picture.png",
        "seq2seq caption --model runs/emoji-captions photos > captions.tsv",
    ),
    "score": (
        "seq2seq score --model runs/mine --src news.en --tgt news.es",
        "seq2seq score --model runs/mine --tokens < pairs.tsv",
    ),
    "rescore": (
        "seq2seq rescore --model runs/mine --src news.en < lists",
        "seq2seq rescore --model runs/mine --src news.en --tune news.es < lists > ranked",
    ),
    "encode": (
        "seq2seq encode --model runs/mine --out vectors.npy < news.en",
        "seq2seq encode --model runs/mine --layer 1 --out bottom.npy < news.en",
    ),
    "evaluate": (
        "seq2seq evaluate --model runs/mine",
        "seq2seq evaluate --model runs/mine --src news.en --ref news.es --out scores",
    ),
    "report": ("seq2seq report runs/mine", "seq2seq report --src news.en --ref news.es --hyp a b --out comparison"),
    "serve": ("seq2seq serve --model runs/mine", "seq2seq serve --model runs/mine runs/other --port 8080"),
    "inspect": (
        "seq2seq inspect --model runs/mine --text '1 2 3'",
        "seq2seq inspect --model runs/mine --text '1 2 3' --out gates.html",
    ),
    "export": (
        "seq2seq export --model runs/mine --out exported",
        "seq2seq export --model runs/emoji-captions --out captioner",
    ),
}


def add_examples(name: str, command: argparse.ArgumentParser) -> None:
    """Ends the help of a command with its examples."""
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.epilog = "examples:\n" + "\n".join(f"  {example}" for example in EXAMPLES[name])
