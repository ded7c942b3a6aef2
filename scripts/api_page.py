"""Writes docs/api.md: what ``import seq2seq`` offers, from its signatures and docstrings.

.venv/bin/python scripts/api_page.py > docs/api.md
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import seq2seq
from seq2seq.config.reference import meanings, to_markdown
from seq2seq.decoding.outputs import Link, Translation
from seq2seq.decoding.pair_scores import PairScore

_HEAD = """# Python API

What a command does, a function or a method of the same name does; only `recipes`, `settings`, `rescore` and `serve` are
for the shell alone. `import seq2seq` answers at once: torch is imported when it is first needed. `scripts/api_page.py`
writes this page from the docstrings, and the tests run their examples.

```python
import seq2seq

run = seq2seq.train("tatoeba-en-es")
model = seq2seq.load(run)
print(model.translate("Where is the train station?").text)
```

Whatever the user can mend is a `seq2seq.Seq2SeqError` of one line: what was expected, what was found, what to do."""
_ORDER = (
    *("load", "new", "prepare", "train", "status", "evaluate", "report", "inspect", "lr_find", "average", "pack"),
    "export",
)
_METHODS = ("translate", "caption", "score", "encode", "align")
_RECORDS = (Translation, Link, PairScore, seq2seq.Constraints)


def page() -> str:
    """The page as Markdown."""
    methods = [(name, getattr(seq2seq.TrainedModel, name)) for name in _METHODS]
    return "\n\n".join(
        [
            _HEAD,
            "## Trained models",
            _callable("load", seq2seq.load),
            "### TrainedModel",
            _text(seq2seq.TrainedModel),
            *(_callable(f"TrainedModel.{name}", method) for name, method in methods),
            "## Functions",
            *(_callable(name, getattr(seq2seq, name)) for name in _ORDER[1:]),
            "## Records",
            *(_record(record) for record in _RECORDS),
            "### DecodingConfig",
            "The settings of the table `[decoding]`; see [Settings](settings.md#decoding).",
        ]
    )


def _callable(name: str, function: Any) -> str:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if not isinstance(definition, ast.FunctionDef) or definition.returns is None:
        raise TypeError(f"{name} is no function with types")
    parameters = ast.unparse(definition.args).removeprefix("self, ")
    signature = f"{definition.name}({parameters}) -> {ast.unparse(definition.returns)}"
    return f"### {name}\n\n```python\n{_wrapped(signature)}\n```\n\n{_text(function)}"


def _wrapped(signature: str) -> str:
    """A signature as a formatter writes it: with a parameter a line where it is long."""
    name, _, rest = signature.partition("(")
    inside, _, result = rest.rpartition(") -> ")
    depth, parameters = 0, [""]
    for one in inside:
        depth += (one in "[(") - (one in "])")
        if one == "," and not depth:
            parameters.append("")
        else:
            parameters[-1] += " = " if one == "=" else one
    parameters = [parameter.strip() for parameter in parameters]
    short = f"{name}({', '.join(parameters)}) -> {result}"
    return (
        short
        if len(short) <= 100
        else "\n".join([f"{name}(", *(f"    {one}," for one in parameters), f") -> {result}"])
    )


def _record(record: Any) -> str:
    lines = [f"### {record.__name__}", _text(record)]
    known = dict(meanings(record))
    if is_dataclass(record):
        lines += [f"- `{one.name}`: {' '.join(known.get(one.name, '').split())}" for one in fields(record)]
    for name, value in vars(record).items():
        if isinstance(value, property):
            lines.append(f"- `{name}`: {' '.join(to_markdown(inspect.getdoc(value) or '').split())}")
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])


def _text(thing: Any) -> str:
    """A docstring as Markdown: sections as lists, examples as code."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_lines(to_markdown(inspect.getdoc(thing) or "")))).strip()


def _lines(text: str) -> Iterator[str]:
    section, example = False, False
    for line in text.splitlines():
        if example and not line.strip():
            example = False
            yield "```"
        if re.fullmatch(r"(Args|Returns|Raises|Yields):", line):
            section = True
            yield from ("", f"**{line[:-1]}**", "")
        elif line.startswith(">>>") and not example:
            section, example = False, True
            yield from ("", "```python", line)
        elif section and re.match(r"    \w+(?:[\w ,|]*): ", line):
            name, _, meaning = line.strip().partition(": ")
            yield f"- `{name}`: {meaning}"
        elif section:
            yield line.strip()
        else:
            yield line
    if example:
        yield "```"


if __name__ == "__main__":
    print(page())
