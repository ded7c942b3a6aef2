"""How to use a model."""

from collections.abc import Sequence

from markupsafe import Markup

from seq2seq.config import Config
from seq2seq.reports.section import Section


def usage_section(config: Config) -> Section:
    """The commands and the Python calls that a model answers to."""
    shell, python = commands(config)
    html = Markup("<p>{}</p>\n<pre>{}</pre>\n<p>{}</p>\n<pre>{}</pre>")
    words = "In the folder of the run:", "From Python:"
    markdown = f"{words[0]}\n\n```sh\n{_lines(shell)}\n```\n\n{words[1]}\n\n```python\n{_lines(python)}\n```"
    return Section("Use", "use", html.format(words[0], _lines(shell), words[1], _lines(python)), markdown)


def commands(config: Config) -> tuple[Sequence[str], Sequence[str]]:
    """Lines for the shell, and lines of Python."""
    if config.data.reads_images:
        return (
            ["seq2seq caption --model . picture.jpg"],
            ["import seq2seq", 'model = seq2seq.load(".")', 'model.caption("picture.jpg").text'],
        )
    return (
        [
            "echo 'your sentence' | seq2seq translate --model .",
            "seq2seq translate --model . --precision int8 < sentences.txt > outputs.txt",
            "seq2seq evaluate --model . --src sources.txt --ref references.txt",
        ],
        ["import seq2seq", 'model = seq2seq.load(".")', 'model.translate("your sentence").text'],
    )


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines)
