"""Self-contained pages: HTML without network, and Markdown."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from markupsafe import Markup

from seq2seq.reports.section import Section, markdown_text
from seq2seq.reports.text import printable
from seq2seq.version import __version__


def html_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """A page of sections with a table of contents.

    Args:
        title: its heading.
        lead: a sentence or two under the heading.
        sections: in their order.
    """
    return render("page.html", title=title, lead=lead, sections=sections)


def markdown_page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The same page as Markdown."""
    parts = [f"# {markdown_text(title)}", markdown_text(lead)]
    for section in sections:
        parts += [f"## {section.title}", section.markdown]
    return "\n\n".join([*parts, f"*Made by seq2seq {__version__}.*"]) + "\n"


def render(template: str, **values: Any) -> Markup:
    """Fills in a template of this package; every text is escaped and made printable, a missing value is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _template("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template(template).render(
        version=__version__, script=Markup(script), script_digest=digest, **values
    )
    return Markup(page)


def json_script(anchor: str, data: Any) -> Markup:
    """Data for the page's script, as an element that no text in it can end.

    Args:
        anchor: the element's id.
        data: of what JSON can hold; every text must be :func:`printable`.
    """
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Markup('<script type="application/json" id="{}">{}</script>').format(anchor, Markup(content))


def standalone_svg(drawing: Markup) -> str:
    """A drawing as a file of its own, with the colours of the pages, light or dark."""
    style = Markup("<style>{}svg {{ color: var(--ink); background: var(--paper); }}</style>").format(
        Markup(_template("style.css"))
    )
    head, _, content = str(drawing).partition(">")
    return f"{head} xmlns='http://www.w3.org/2000/svg'>{style}{content}"


def _template(name: str) -> str:
    return (resources.files("seq2seq.reports") / "templates" / name).read_text(encoding="utf-8")


def _finalize(value: Any) -> Any:
    return printable(value) if type(value) is str else value
