"""Which run answers for which languages."""

from dataclasses import replace

import pytest

from seq2seq.serving.languages import UNKNOWN, fit, language_name
from seq2seq.serving.models import Models, choose
from seq2seq.serving.refusal import Refusal


def test_a_closer_language_fits_better() -> None:
    order = [fit("pt-BR", "pt-br"), fit("pt-BR", "pt-PT"), fit(UNKNOWN, "pt-BR"), fit("pl", "pt")]
    assert order == sorted(order, reverse=True)
    assert len(set(order)) == 4
    assert fit("pl", "pt") == 0


def test_names() -> None:
    assert [language_name(tag) for tag in ("es", "pt-BR", "tlh")] == ["Spanish", "Portuguese (BR)", "tlh"]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [("", "", "en-es"), ("es", "", "es-en"), ("", "en", "es-en"), ("en-GB", "es", "en-es"), ("EN", "ES", "en-es")],
)
def test_languages_choose_a_run(models: Models, source: str, target: str, expected: str) -> None:
    assert choose(models, images=False, source=source, target=target).name == expected


def test_a_run_of_unknown_languages_is_the_last_choice(models: Models) -> None:
    served = models["en-es"]
    mixed = {"any": replace(served, name="any", source=UNKNOWN, target=UNKNOWN), "en-es": served}
    assert choose(mixed, images=False, source="en", target="es").name == "en-es"
    assert choose(mixed, images=False, source="fr", target="de").name == "any"


@pytest.mark.parametrize("wish", [{"source": "fr"}, {"source": "en", "target": "en"}, {"name": "nobody"}])
def test_no_other_run_stands_in(models: Models, wish: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        choose(models, images=False, **wish)
    assert caught.value.status == 404
