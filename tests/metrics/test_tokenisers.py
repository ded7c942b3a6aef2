"""The tokeniser follows from the script, and one that is not installed is refused in a line."""

import sys

import pytest
from sacrebleu.metrics.bleu import BLEU

from seq2seq.config.evaluation import Tokeniser
from seq2seq.errors import ConfigError
from seq2seq.metrics.tokenisers import fitting_tokeniser, require_tokeniser

TEXTS: dict[str, tuple[Tokeniser, str]] = {
    "English": ("13a", "The cat sat on the mat."),
    "Russian": ("13a", "Кошка сидела на коврике."),
    "Hindi": ("13a", "बिल्ली चटाई पर बैठी थी।"),
    "Korean": ("13a", "고양이가 매트 위에 앉았다."),
    "digits": ("13a", "3 141 592"),
    "nothing": ("13a", ""),
    "Chinese": ("zh", "猫坐在垫子上。"),
    "Chinese numerals": ("zh", "三千二百一十"),
    "Chinese with a name": ("zh", "我昨天在图书馆遇到了 Tom。"),
    "English with a name": ("13a", "I met 王小明 in Rome."),
    "Japanese": ("char", "猫がマットの上に座っていた。"),
    "Thai": ("char", "แมวนั่งบนเสื่อ"),
    "Lao": ("char", "ແມວນັ່ງຢູ່ເທິງເສື່ອ"),
    "Khmer": ("char", "ឆ្មាអង្គុយលើកន្ទេល"),
    "Burmese": ("char", "ကြောင်က ဖျာပေါ်မှာ ထိုင်တယ်"),
}


@pytest.mark.parametrize("language", TEXTS)
def test_the_tokeniser_fits_the_script(language: str) -> None:
    expected, text = TEXTS[language]
    assert fitting_tokeniser([text]) == expected
    assert fitting_tokeniser([text[:3], "", text]) == expected


@pytest.mark.parametrize("language", [language for language, (name, _) in TEXTS.items() if name != "13a"])
def test_a_sentence_without_spaces_has_more_than_one_token(language: str) -> None:
    name, text = TEXTS[language]
    assert len(BLEU(tokenize=name).tokenizer(text).split()) >= 4


def test_most_texts_decide() -> None:
    chinese, english = TEXTS["Chinese"][1], TEXTS["English"][1]
    assert fitting_tokeniser([chinese] * 9 + [english]) == "zh"
    assert fitting_tokeniser([chinese] + [english] * 9) == "13a"


@pytest.mark.parametrize(("name", "package"), [("ja-mecab", "sacrebleu[ja]"), ("ko-mecab", "sacrebleu[ko]")])
def test_a_tokeniser_that_is_not_installed_is_refused(
    name: Tokeniser, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"sacrebleu.tokenizers.tokenizer_{name.replace('-', '_')}"
    for extra in ("MeCab", "mecab_ko"):
        monkeypatch.setitem(sys.modules, extra, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    require_tokeniser.cache_clear()
    with pytest.raises(ConfigError, match=r"needs what is not here: pip install") as caught:
        require_tokeniser(name)
    assert package in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_fetched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.os.path.exists", lambda path: False)
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.download_file", unreachable)
    require_tokeniser.cache_clear()
    with pytest.raises(ConfigError, match="connect to the network once"):
        require_tokeniser("flores200")


def test_those_of_sacrebleu_itself_are_there() -> None:
    for name in ("auto", "13a", "intl", "zh", "char", "none"):
        require_tokeniser(name)
