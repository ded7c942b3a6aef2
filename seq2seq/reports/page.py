"""HTML pages without scripts or network, from the templates in ``templates/``."""

from importlib import resources
from typing import Any

from seq2seq.reports.heatmap import printable
from seq2seq.version import __version__


def render(template: str, **values: Any) -> str:
    """Fills in a template of this package; every text is escaped, and a missing value is an error."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["printable"] = printable
    text = (resources.files("seq2seq.reports") / "templates" / template).read_text(encoding="utf-8")
    return environment.from_string(text).render(version=__version__, **values)
