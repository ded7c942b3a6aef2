"""The API under /v1: what it answers is what the package answers."""

import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from shapes import draw_shape
from web_client import Client

from seq2seq.corpus.images import read_image
from seq2seq.decoding.scoring import log_probs
from seq2seq.serving.models import Models

Start = Callable[..., Client]

SENTENCES = ["1 2 3", "", "9 8 7 6 5", "  ", "4"]


def translate(server: Client, **body: object) -> list[dict]:
    reply = server.post("/v1/translate", body)
    assert reply.status == 200, reply.body
    return reply.json["translations"]


def test_translations_are_the_translators(server: Client, models: Models) -> None:
    expected = models["en-es"].predictor.best(SENTENCES)
    found = translate(server, sentences=SENTENCES)
    assert [one["text"] for one in found] == [one.text for one in expected]
    assert [one["log_prob"] for one in found] == pytest.approx([one.log_prob for one in expected], abs=1e-4)
    assert [one["source"] for one in found] == SENTENCES


def test_alternatives_are_the_nbest_list(server: Client, models: Models) -> None:
    (expected,) = models["es-en"].predictor.nbest(["1 2 3"], 4)
    (found,) = translate(server, sentences=["1 2 3"], nbest=4, source="es")
    assert [found["text"], *(one["text"] for one in found["alternatives"])] == [one.text for one in expected]


def test_a_wider_beam_than_the_runs(server: Client, models: Models) -> None:
    served = models["en-es"].predictor
    options = replace(served.config.decoding, beam=9)
    (expected,) = served.best(["1 2 3 4"], options)
    assert translate(server, sentences=["1 2 3 4"], beam=9)[0]["log_prob"] == pytest.approx(expected.log_prob, abs=1e-4)
    assert len(translate(server, sentences=["1 2 3 4"], nbest=9)[0]["alternatives"]) > served.config.decoding.beam - 1


def test_attention_and_tokens_fit_the_output(server: Client) -> None:
    with_text, empty = translate(server, sentences=["1 2 3", ""], alignments=True, tokens=True)
    alignment, tokens = with_text["alignment"], with_text["tokens"]
    assert "".join(alignment["source"][:-1]).replace("▁", " ").strip() == "1 2 3"
    assert [token["text"] for token in tokens] == alignment["target"]
    assert len(alignment["weights"]) == len(alignment["target"])
    for row in alignment["weights"]:
        assert len(row) == len(alignment["source"])
        assert sum(row) == pytest.approx(1, abs=0.01)
    assert sum(token["log_prob"] for token in tokens) == pytest.approx(with_text["log_prob"], abs=1e-2)
    assert "alignment" not in empty
    assert "tokens" not in empty


def test_a_text_keeps_its_white_space(server: Client, models: Models) -> None:
    sentences = ["1 2.", "A 3!", "4"]
    best = [one.text for one in models["en-es"].predictor.best(sentences)]
    reply = server.post("/v1/translate", {"text": " 1 2. A 3!\n\n4\t"}).json
    assert reply["text"] == f" {best[0]} {best[1]}\n\n{best[2]}\t"
    assert "".join(one["source"] + one["space"] for one in reply["translations"]) == " 1 2. A 3!\n\n4\t"


def test_a_source_that_is_cut_is_said_to_be(server: Client) -> None:
    long, short = translate(server, sentences=["7 " * 300, "7"])
    assert (long["cut"], short["cut"]) == (True, False)


def test_scores_are_log_probabilities(server: Client, models: Models) -> None:
    pairs = [("1 2", "2 1"), ("3", "")]
    predictor = models["en-es"].predictor
    ids = [predictor.vocabularies.tgt.encode(target) for _, target in pairs]
    expected = log_probs(predictor, [source for source, _ in pairs], ids)
    reply = server.post("/v1/score", {"pairs": [{"source": s, "target": t} for s, t in pairs]})
    assert [one["log_prob"] for one in reply.json["scores"]] == pytest.approx(expected, abs=1e-3)
    assert [len(one["tokens"]) for one in reply.json["scores"]] == [len(one) + 1 for one in ids]


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/v1/translate", {}, 400, "either sentences or text"),
        ("/v1/translate", {"sentences": ["a"], "text": "a"}, 400, "either sentences or text"),
        ("/v1/translate", {"sentences": ["a"], "nbest": 4, "beam": 2}, 400, "at most the beam's 2, found 4"),
        ("/v1/translate", {"sentences": ["a"], "model": "es-en", "alignments": True}, 400, "attention"),
        ("/v1/translate", {"sentences": ["a"], "model": "x"}, 404, "no run named 'x'"),
        ("/v1/translate", {"sentences": ["a"] * 501}, 413, "at most 500 sentences, found 501"),
        ("/v1/translate", {"sentences": ["a" * 5001]}, 413, "at most 5000 characters, found one of 5001"),
        ("/v1/translate", {"text": "a\n" * 501}, 413, "at most 500 sentences"),
        ("/v1/score", {"pairs": [{"source": " ", "target": "a"}]}, 400, "pairs[0].source"),
        ("/v1/score", {"pairs": [{"source": "a", "target": "a" * 5001}]}, 413, "5000"),
        ("/v1/translate", b'{"sentences": [1e999]}', 415, "application/json"),
        ("/v1/caption", {"image": ""}, 415, "multipart/form-data"),
        ("/v1/nothing", {}, 404, "Not Found"),
    ],
)
def test_refusals(server: Client, path: str, body: object, status: int, reason: str) -> None:
    reply = server.post(path, body)
    assert (reply.status, list(reply.json)) == (status, ["error"])
    assert reason in reply.json["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"beam": NaN}', b"9" * 5000])
def test_what_is_no_json_is_refused(server: Client, body: bytes) -> None:
    reply = server.ask("POST", "/v1/translate", body, {"Content-Type": "application/json"})
    assert (reply.status, reply.json["error"]) == (400, "expected JSON in UTF-8, found something else")


def test_runs_and_their_cards(server: Client, runs: tuple[Path, Path]) -> None:
    listed = server.get("/v1/models").json["models"]
    assert [(one["name"], one["source"], one["target"], one["attention"]) for one in listed] == [
        ("en-es", "en", "es", True),
        ("es-en", "es", "en", False),
    ]
    card = server.get(listed[1]["card"])
    assert card.body == (runs[1] / "README.md").read_bytes()
    assert card.headers["content-type"] == "text/plain; charset=utf-8"
    assert server.get("/v1/models/nobody/card").status == 404
    assert server.get("/v1/models/..%2F..%2Fen-es/card").status == 404


def multipart(picture: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    parts = [f'--X\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    head = b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    return b"".join([*parts, head, picture, b"\r\n--X--\r\n"]), {"Content-Type": "multipart/form-data; boundary=X"}


def test_pictures_get_the_captioners_captions(start: Start, captioning: Models) -> None:
    server = start(models=captioning)
    served, found = captioning["pictures"], []
    for colour in ("red", "blue"):
        stream = io.BytesIO()
        draw_shape(colour, "circle", random.Random(1)).save(stream, "PNG")
        body, headers = multipart(stream.getvalue(), nbest="3", model="pictures")
        reply = server.ask("POST", "/v1/caption", body, headers)
        assert reply.status == 200, reply.body
        captions = reply.json["captions"]
        served.album.pictures["a"] = read_image(stream.getvalue())
        (expected,) = served.predictor.nbest(["a"], 3)
        assert [one["text"] for one in captions] == [one.text for one in expected]
        found.append(captions)
    assert found[0] != found[1]
    assert server.post("/v1/translate", {"sentences": ["a"]}).status == 404


def test_what_is_no_picture_is_refused(start: Start, captioning: Models) -> None:
    server = start(models=captioning)
    for picture in (b"", b"no picture", PIL.Image.new("RGB", (9, 9)).tobytes()):
        reply = server.ask("POST", "/v1/caption", *multipart(picture))
        assert (reply.status, "expected a whole JPEG, PNG or WebP" in reply.json["error"]) == (400, True)
    for field in ({"nbest": "0"}, {"nbest": "x"}, {"other": "1"}):
        assert server.ask("POST", "/v1/caption", *multipart(b"", **field)).status == 400
    reply = server.ask("POST", "/v1/caption", b"nothing", {"Content-Type": "multipart/form-data"})
    assert reply.status == 400
