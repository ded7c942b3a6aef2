"""Where words begin and end, in every script; as parts of regular expressions and as tests of a character.

A mark (category M of Unicode: vowel signs, points, tones, accents) belongs to the character before it, and so do the
joiners U+200C and U+200D. Where a script has no spaces between words, each of its letters counts as one.
"""

import re
import unicodedata

# All of Unicode 16's marks are in these ranges; to look at every character would take ten times as long.
_WITH_MARKS = (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0))
MARK = f"[{''.join(filter(lambda one: unicodedata.category(one)[0] == 'M', map(chr, _WITH_MARKS)))}\u200c\u200d]"
"""A mark or a joiner."""

# Thai and Lao, Myanmar, Khmer, Kana and Bopomofo, Han.
_BLOCKS = (
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
UNSPACED = rf"(?!{MARK}){_BLOCKS}"
"""A character of a script without spaces, but not a mark."""

INSIDE = rf"(?:{MARK}|(?!{_BLOCKS})\w)"
"""What continues the word that it follows: letters and digits of scripts with spaces, and marks."""

PRECEDING = rf"(?!{_BLOCKS}){INSIDE}"
"""What a letter continues the word of: the same without marks of scripts without spaces."""

_INSIDE, _PRECEDING = re.compile(INSIDE), re.compile(PRECEDING)


def begins_word(character: str) -> bool:
    """Whether a character begins a word, or is none of its characters, whatever stands before it."""
    return _INSIDE.match(character) is None


def ends_word(character: str) -> bool:
    """Whether a letter after this character begins a word."""
    return _PRECEDING.match(character) is None
