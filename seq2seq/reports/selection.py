"""Which of many things are shown or counted: some at even distances, so that none is hand-picked."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly(items: Sequence[Item], most: int) -> Sequence[Item]:
    """All of the items, or at most ``most`` of them, at even distances, the first among them."""
    return items[:: -(-len(items) // most) or 1]
