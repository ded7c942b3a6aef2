"""The API of LibreTranslate, so that its clients work unchanged.

A request's fields come as JSON, as a form or in the query string; all three occur among the clients.
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from seq2seq.serving.guard import bearer, check_key
from seq2seq.serving.languages import language_name
from seq2seq.serving.markup import join_html, split_html
from seq2seq.serving.messages import DetectedLanguage, DetectRequest, Language, LibreRequest, LibreResponse
from seq2seq.serving.models import Served, choose
from seq2seq.serving.records import read, to_json
from seq2seq.serving.refusal import Refusal
from seq2seq.serving.service import Service, Wish, joined
from seq2seq.serving.v1 import json_body, respond

_AUTO = "auto"


class LibreTranslate:
    """Its endpoints.

    Args:
        service: what answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """All paths."""
        return [
            Route("/translate", self.translate, methods=["POST"]),
            Route("/detect", self.detect, methods=["POST"]),
            Route("/languages", self.languages),
            Route("/frontend/settings", self.frontend_settings),
        ]

    async def translate(self, request: Request) -> Response:
        """Texts, plain or HTML, to translations."""
        body = read(LibreRequest, await _fields(request))
        check_key(self._service.settings, body.api_key or bearer(request.headers))
        served = self._choose(body)
        texts = [body.q] if isinstance(body.q, str) else body.q
        versions = await self._versions(served, texts, Wish(nbest=body.alternatives + 1), is_html=body.format == "html")
        best = versions[0]
        # A sentence with fewer alternatives than others repeats its best.
        alternatives = [[one for one in column[1:] if one != column[0]] for column in zip(*versions, strict=True)]
        detected = [DetectedLanguage(language=served.source, confidence=100.0)] * len(texts)
        single, auto = isinstance(body.q, str), body.source == _AUTO
        return respond(
            LibreResponse(
                translatedText=best[0] if single else best,
                alternatives=(alternatives[0] if single else alternatives) if body.alternatives else None,
                detectedLanguage=(detected[0] if single else detected) if auto else None,
            )
        )

    async def _versions(self, served: Served, texts: list[str], wish: Wish, *, is_html: bool) -> list[list[str]]:
        """The best translation of all texts, then the second of all, and so on, ``wish.nbest`` of each."""
        if not is_html:
            outputs = await self._service.translate_texts(served, texts, wish)
            return [[joined(sentences, version) for sentences in outputs] for version in range(wish.nbest)]
        pages = [split_html(text) for text in texts]
        nodes = [span.text for page in pages for span in page if span.is_text]
        outputs = await self._service.translate_texts(served, nodes, wish)
        versions = []
        for version in range(wish.nbest):
            remaining = (joined(sentences, version) for sentences in outputs)
            versions.append([join_html(page, [next(remaining) for span in page if span.is_text]) for page in pages])
        return versions

    def _choose(self, body: LibreRequest) -> Served:
        """The run for the languages of a request.

        Raises:
            Refusal: 400; there is none, or several for a source language that is not named.
        """
        source = "" if body.source == _AUTO else body.source
        sources = {served.source for served in self._service.models.values() if not served.reads_images}
        if not source and len(sources) > 1:
            raise Refusal(400, f"source: expected one of {', '.join(sorted(sources))}, found auto: nothing detects it")
        try:
            return choose(self._service.models, images=False, source=source, target=body.target)
        except Refusal as refusal:
            raise Refusal(400, refusal.reason) from None

    async def detect(self, request: Request) -> Response:
        """The languages that it could be in, as likely as one another: nothing here looks at the text."""
        body = read(DetectRequest, await _fields(request))
        check_key(self._service.settings, body.api_key or bearer(request.headers))
        codes = [language.code for language in self._languages()]
        found = [DetectedLanguage(language=code, confidence=round(100 / len(codes), 1)) for code in codes]
        return JSONResponse(to_json(found))

    async def languages(self, request: Request) -> Response:
        """Every source language with its target languages."""
        return JSONResponse(to_json(self._languages()))

    async def frontend_settings(self, request: Request) -> Response:
        """What LibreTranslate's own pages and add-ons ask for."""
        needs_key = bool(self._service.settings.api_key)
        language = {
            side: {"code": code, "name": language_name(code)}
            for first in self._languages()[:1]
            for side, code in (("source", first.code), ("target", first.targets[0]))
        }
        return JSONResponse(
            {
                "apiKeys": needs_key,
                "keyRequired": needs_key,
                "charLimit": self._service.settings.max_characters * self._service.settings.max_sentences,
                "filesTranslation": False,
                "frontendTimeout": 500,
                "language": language,
                "suggestions": False,
                "supportedFilesFormat": [],
            }
        )

    def _languages(self) -> list[Language]:
        targets: dict[str, list[str]] = {}
        for served in self._service.models.values():
            if not served.reads_images and served.target not in targets.setdefault(served.source, []):
                targets[served.source].append(served.target)
        return [Language(code=code, name=language_name(code), targets=ends) for code, ends in targets.items()]


async def _fields(request: Request) -> Any:
    """The fields of a request, a number where the client could only write text."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return await json_body(request)
    try:
        async with request.form(max_files=0, max_fields=16) as form:
            sent = {**request.query_params, **form}
    except HTTPException as error:
        raise Refusal(400, f"expected a form: {error.detail}") from None
    fields: dict[str, Any] = dict(sent)
    if fields.get("alternatives") in {str(number) for number in range(32)}:
        fields["alternatives"] = int(fields["alternatives"])
    return fields
