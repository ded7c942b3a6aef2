"""Phrases whose vectors are drawn: those of Sutskever et al. 2014, Fig. 2, and the same in other languages.

Each set tells whether a vector depends on the order of words (who does it to whom), and not on the voice.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

# Sentences, and shuffled orders of each, where no list fits the language.
_SENTENCES, _ORDERS = 5, 3
_SEED = 20140910


@dataclass(frozen=True, slots=True)
class PhraseGroup:
    """Phrases that mean about the same, or consist of the same words."""

    name: str
    phrases: Sequence[str]


PhraseSet = Sequence[PhraseGroup]

PAPER: Sequence[Sequence[PhraseSet]] = (
    (
        (
            PhraseGroup("Mary does it", ("Mary admires John", "Mary is in love with John", "Mary respects John")),
            PhraseGroup("John does it", ("John admires Mary", "John is in love with Mary", "John respects Mary")),
        ),
        (
            PhraseGroup(
                "I gave",
                (
                    "I gave her a card in the garden",
                    "In the garden, I gave her a card",
                    "She was given a card by me in the garden",
                ),
            ),
            PhraseGroup(
                "she gave",
                (
                    "She gave me a card in the garden",
                    "In the garden, she gave me a card",
                    "I was given a card by her in the garden",
                ),
            ),
        ),
    ),
    (
        (
            PhraseGroup("María", ("María admira a Juan", "María quiere a Juan", "María respeta a Juan")),
            PhraseGroup("Juan", ("Juan admira a María", "Juan quiere a María", "Juan respeta a María")),
        ),
        (
            PhraseGroup(
                "yo",
                (
                    "Le di una carta en el jardín",
                    "En el jardín le di una carta",
                    "Ella recibió de mí una carta en el jardín",
                ),
            ),
            PhraseGroup(
                "ella",
                (
                    "Ella me dio una carta en el jardín",
                    "En el jardín ella me dio una carta",
                    "Recibí de ella una carta en el jardín",
                ),
            ),
        ),
    ),
    (
        (
            PhraseGroup("Marie", ("Marie admire Jean", "Marie est amoureuse de Jean", "Marie respecte Jean")),
            PhraseGroup("Jean", ("Jean admire Marie", "Jean est amoureux de Marie", "Jean respecte Marie")),
        ),
        (
            PhraseGroup(
                "je",
                (
                    "Je lui ai donné une carte dans le jardin",
                    "Dans le jardin, je lui ai donné une carte",
                    "Une carte lui a été donnée par moi dans le jardin",
                ),
            ),
            PhraseGroup(
                "elle",
                (
                    "Elle m'a donné une carte dans le jardin",
                    "Dans le jardin, elle m'a donné une carte",
                    "Une carte m'a été donnée par elle dans le jardin",
                ),
            ),
        ),
    ),
    (
        (
            PhraseGroup("Maria", ("Maria bewundert Johann", "Maria liebt Johann", "Maria achtet Johann")),
            PhraseGroup("Johann", ("Johann bewundert Maria", "Johann liebt Maria", "Johann achtet Maria")),
        ),
        (
            PhraseGroup(
                "ich",
                (
                    "Ich gab ihr im Garten eine Karte",
                    "Im Garten gab ich ihr eine Karte",
                    "Ihr wurde von mir im Garten eine Karte gegeben",
                ),
            ),
            PhraseGroup(
                "sie",
                (
                    "Sie gab mir im Garten eine Karte",
                    "Im Garten gab sie mir eine Karte",
                    "Mir wurde von ihr im Garten eine Karte gegeben",
                ),
            ),
        ),
    ),
)
"""For English, Spanish, French and German sources: two sets each, one for either picture of the figure."""


def phrase_sets(sources: Sequence[str]) -> Sequence[PhraseSet]:
    """The phrases that fit the language of some sentences; else some of these, each with its words in other orders.

    Args:
        sources: sentences of the language, as many as there are.
    """
    words = {word.strip(",.?!").lower() for source in sources for word in source.split()}
    known = [_share_known(sets, words) for sets in PAPER]
    best = max(range(len(PAPER)), key=known.__getitem__)
    # A text of another language shares a few short words with each list.
    return PAPER[best] if known[best] > 0.6 else [_shuffled(sources)]


def _share_known(sets: Sequence[PhraseSet], words: set[str]) -> float:
    wanted = {
        word.strip(",").lower()
        for groups in sets
        for group in groups
        for phrase in group.phrases
        for word in phrase.split()
    }
    return len(wanted & words) / len(wanted)


def _shuffled(sources: Sequence[str]) -> PhraseSet:
    """Sentences of a middle length, and random orders of their words, or of their letters if they are single words."""
    chance = random.Random(_SEED)
    parts = {source: source.split() if len(source.split()) > 2 else list(source) for source in sources}
    movable = sorted((source for source in parts if len(set(parts[source])) > 2), key=lambda one: len(parts[one]))
    middle = len(movable) // 2
    groups = []
    for source in movable[max(0, middle - _SENTENCES // 2) :][:_SENTENCES]:
        separator = " " if len(source.split()) > 2 else ""
        orders = [source]
        for _ in range(_ORDERS):
            order = chance.sample(parts[source], len(parts[source]))
            orders.append(separator.join(order))
        groups.append(PhraseGroup(source, list(dict.fromkeys(orders))))
    return groups
