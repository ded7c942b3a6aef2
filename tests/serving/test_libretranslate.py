"""LibreTranslate's API, asked by its clients as they are."""

import urllib.error
from collections.abc import Callable

import pytest
from deep_translator import LibreTranslator
from deep_translator.exceptions import AuthorizationException, ServerException
from libretranslatepy import LibreTranslateAPI
from web_client import Client

from seq2seq.serving.models import Models

Start = Callable[..., Client]


def best(models: Models, sentence: str, run: str = "en-es") -> str:
    return models[run].predictor.best([sentence])[0].text


def test_libretranslatepy(server: Client, models: Models) -> None:
    client = LibreTranslateAPI(server.url)
    assert client.translate("1 2 3", "en", "es") == best(models, "1 2 3")
    assert client.translate("1 2 3", "es", "en") == best(models, "1 2 3", "es-en")
    assert [(one["code"], one["targets"]) for one in client.languages()] == [("en", ["es"]), ("es", ["en"])]
    assert client.detect("1 2 3") == [{"language": "en", "confidence": 50.0}, {"language": "es", "confidence": 50.0}]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        client.translate("1", "fr", "es")


def test_deep_translator(server: Client, models: Models) -> None:
    client = LibreTranslator(source="en", target="es", api_key="any", custom_url=server.url)
    assert client.translate("1 2 3") == best(models, "1 2 3")
    assert client.translate_batch(["4", "5 6"]) == [best(models, "4"), best(models, "5 6")]
    with pytest.raises(ServerException):
        LibreTranslator(source="fr", target="es", api_key="any", custom_url=server.url).translate("1")


def test_keys_of_both_clients(start: Start, models: Models) -> None:
    server = start(api_key="secret")
    assert LibreTranslateAPI(server.url, "secret").translate("1", "en", "es") == best(models, "1")
    assert LibreTranslator("en", "es", api_key="secret", custom_url=server.url).translate("1") == best(models, "1")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        LibreTranslateAPI(server.url, "wrong").translate("1", "en", "es")
    with pytest.raises(AuthorizationException):
        LibreTranslator("en", "es", api_key="wrong", custom_url=server.url).translate("1")
    settings = server.get("/frontend/settings").json
    assert (settings["keyRequired"], settings["language"]["source"]) == (True, {"code": "en", "name": "English"})


def test_a_list_is_answered_by_a_list(server: Client, models: Models) -> None:
    body = {"q": ["1 2", "A 3. B 4\n\n5"], "source": "en", "target": "es"}
    expected = [best(models, "1 2"), f"{best(models, 'A 3.')} {best(models, 'B 4')}\n\n{best(models, '5')}"]
    assert server.post("/translate", body).json == {"translatedText": expected}
    assert server.post("/translate", body | {"q": []}).json == {"translatedText": []}


def test_alternatives_are_others(server: Client) -> None:
    body = {"q": "1 2 3", "source": "en", "target": "es", "alternatives": 3}
    reply = server.post("/translate", body).json
    texts = [reply["translatedText"], *reply["alternatives"]]
    assert len(set(texts)) == len(texts) == 4
    listed = server.post("/translate", body | {"q": ["1 2 3", "4"]}).json
    assert listed["alternatives"][0] == reply["alternatives"]
    assert server.post("/translate", body | {"q": ""}).json == {"translatedText": "", "alternatives": []}


def test_html_keeps_its_markup(server: Client, models: Models) -> None:
    page = '<p title="1 2">1 2<br>\n <b>3</b>&nbsp;<!-- 4 --><script>5</script></p>'
    expected = page.replace(">1 2<", f">{best(models, '1 2')}<").replace(">3<", f">{best(models, '3')}<")
    body = {"q": page, "source": "en", "target": "es", "format": "html"}
    assert server.post("/translate", body).json == {"translatedText": expected}


def test_auto_names_the_language_or_is_refused(start: Start, server: Client, models: Models) -> None:
    body = {"q": "1", "source": "auto", "target": "es"}
    assert server.post("/translate", body).status == 400
    reply = start(models={"en-es": models["en-es"]}).post("/translate", body).json
    assert reply["detectedLanguage"] == {"language": "en", "confidence": 100.0}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"source=en&target=es", "application/x-www-form-urlencoded"),
        (b"nothing", "multipart/form-data"),
        (b"{}", "application/json"),
    ],
)
def test_a_request_without_a_text_is_refused(server: Client, body: bytes, content_type: str) -> None:
    reply = server.ask("POST", "/translate", body, {"Content-Type": content_type})
    assert (reply.status, list(reply.json)) == (400, ["error"])
