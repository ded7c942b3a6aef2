"""A recipe → its prepared corpus."""

from collections.abc import Sequence
from pathlib import Path

from seq2seq.corpus import prepared
from seq2seq.corpus.prepared import Prepared
from seq2seq.recipe import load_recipe


def prepare(recipe: str | Path, *, overrides: Sequence[str] = ()) -> Prepared:
    """Fetches, cleans, splits and tokenises a recipe's corpus; opens it where that is done already.

    Args:
        recipe: name of a shipped recipe or path of a TOML file.
        overrides: ``table.key=value`` each.

    Raises:
        Seq2SeqError: settings or data cannot be used.
    """
    return prepared.prepare(load_recipe(recipe, overrides))
