"""The API of its own, under ``/v1``."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from seq2seq.corpus.images import read_image
from seq2seq.errors import CorpusError
from seq2seq.serving.guard import bearer, check_key
from seq2seq.serving.messages import (
    CaptionResponse,
    Health,
    Model,
    ModelsResponse,
    ScoreRequest,
    ScoreResponse,
    TranslateRequest,
    TranslateResponse,
)
from seq2seq.serving.models import Served, choose
from seq2seq.serving.records import read, to_json
from seq2seq.serving.refusal import Refusal
from seq2seq.serving.service import Service, Wish, joined

_FIELDS = {"image", "model", "nbest"}


class V1:
    """Its endpoints.

    Args:
        service: what answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """All paths."""
        return [
            Route("/v1/translate", self.translate, methods=["POST"]),
            Route("/v1/score", self.score, methods=["POST"]),
            Route("/v1/caption", self.caption, methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v1/models/{name}/card", self.card),
            Route("/health", self.health),
        ]

    async def translate(self, request: Request) -> Response:
        """Sentences or a text to translations."""
        self._check_key(request)
        body = read(TranslateRequest, await json_body(request))
        if (body.sentences is None) == (body.text is None):
            raise Refusal(400, "expected either sentences or text, found both or neither")
        served = self._choose(body)
        wish = Wish(beam=body.beam or 0, nbest=body.nbest, alignments=body.alignments, tokens=body.tokens)
        if body.text is None:
            outputs = await self._service.translate(served, body.sentences or [], wish)
            return respond(TranslateResponse(model=served.name, translations=outputs))
        (outputs,) = await self._service.translate_texts(served, [body.text], wish)
        return respond(TranslateResponse(model=served.name, translations=outputs, text=joined(outputs)))

    async def score(self, request: Request) -> Response:
        """Pairs to log-probabilities."""
        self._check_key(request)
        body = read(ScoreRequest, await json_body(request))
        served = self._choose(body)
        return respond(ScoreResponse(model=served.name, scores=await self._service.score(served, body.pairs)))

    async def caption(self, request: Request) -> Response:
        """A form with the field ``image``, a file, and perhaps ``model`` and ``nbest``, to captions."""
        self._check_key(request)
        async with _form(request) as form:
            image, nbest, name = form.get("image"), form.get("nbest", "1"), form.get("model", "")
            if not isinstance(image, UploadFile) or not isinstance(name, str) or form.keys() - _FIELDS:
                raise Refusal(400, "expected a form with the file image and perhaps model and nbest, found another")
            content = await image.read()
        if nbest not in {str(number) for number in range(1, 33)}:
            raise Refusal(400, "nbest: expected 1 to 32, found something else")
        served = choose(self._service.models, images=True, name=name)
        try:
            picture = await asyncio.to_thread(read_image, content, name="image")
        except CorpusError as error:
            raise Refusal(400, str(error)) from None
        captions = await self._service.caption(served, picture, Wish(nbest=int(str(nbest))))
        return respond(CaptionResponse(model=served.name, captions=captions))

    async def models(self, request: Request) -> Response:
        """The served runs."""
        self._check_key(request)
        return respond(ModelsResponse(models=[_describe(served) for served in self._service.models.values()]))

    async def card(self, request: Request) -> Response:
        """A run's model card: Markdown, sent as plain text, since anyone may have written it."""
        self._check_key(request)
        served = self._service.models.get(request.path_params["name"])
        if served is None or not served.card:
            raise HTTPException(404)
        return PlainTextResponse(served.card)

    async def health(self, request: Request) -> Response:
        """Whether it is alive and ready; 503 if it is not."""
        ready = self._service.worker.is_alive
        return JSONResponse(to_json(Health(alive=True, ready=ready)), 200 if ready else 503)

    def _choose(self, body: TranslateRequest | ScoreRequest) -> Served:
        return choose(
            self._service.models,
            images=False,
            name=body.model or "",
            source=body.source or "",
            target=body.target or "",
        )

    def _check_key(self, request: Request) -> None:
        check_key(self._service.settings, bearer(request.headers))


async def json_body(request: Request) -> Any:
    """The body's JSON value.

    Raises:
        Refusal: 415; it is of another type. 400; it is no JSON.
    """
    # Other types a browser would send from any page without asking the server first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "expected a body of the type application/json, found another")
    try:
        return json.loads(await request.body(), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Refusal(400, "expected JSON in UTF-8, found something else") from None


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    """The body's form, whose files are closed in the end.

    Raises:
        Refusal: 415; the body is of another type. 400; it is no form.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise Refusal(415, "expected a body of the type multipart/form-data, found another")
    try:
        async with request.form(max_files=1, max_fields=8) as form:
            yield form
    except HTTPException as error:
        raise Refusal(400, f"expected a form: {error.detail}") from None


def respond(record: object) -> JSONResponse:
    """A record as JSON."""
    return JSONResponse(to_json(record))


def _describe(served: Served) -> Model:
    config = served.predictor.config
    return Model(
        name=served.name,
        kind="caption" if served.reads_images else "translation",
        source=served.source,
        target=served.target,
        attention=served.attends,
        beam=config.decoding.beam,
        max_tokens=config.data.max_tokens,
        card=f"/v1/models/{quote(served.name, safe='')}/card" if served.card else None,
    )


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value
