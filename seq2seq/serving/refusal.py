"""Why a request gets no answer: a status and a reason, as JSON."""

from collections.abc import Mapping

from starlette.responses import JSONResponse


class Refusal(Exception):
    """A request is refused.

    Args:
        status: of HTTP.
        reason: what was expected, and what was found.
        headers: that go with the status.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers

    def response(self) -> JSONResponse:
        """``{"error": reason}``, the form that LibreTranslate's clients know."""
        return JSONResponse({"error": self.reason}, self.status, self.headers)


FAILURE = Refusal(500, "an error of the server")
"""For whatever is not the client's fault; it tells no more."""
