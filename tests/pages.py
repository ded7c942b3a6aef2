"""What tests of HTML pages share: hostile texts, and a reader of pages."""

from html.parser import HTMLParser

HOSTILE = ["</script><script>alert(1)</script>", "<!--", "\x00", "\u202eabc", "a|b\n| c", "{{ 7 * 7 }}", "]]>", "&lt;"]


class Reader(HTMLParser):
    """Collects the tags of a page, and the text of its cells and paragraphs."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def read(content: str) -> Reader:
    reader = Reader()
    reader.feed(str(content))
    reader.close()
    return reader
