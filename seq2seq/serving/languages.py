"""Language tags (BCP 47): which fit each other, and names for them."""

UNKNOWN = "und"
"""The tag of a language that nobody named; it fits any."""

_NAMES = {
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "eo": "Esperanto",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "ms": "Malay",
    "nb": "Norwegian Bokmål",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "th": "Thai",
    "tl": "Tagalog",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
    UNKNOWN: "Unknown",
}


def language_name(tag: str) -> str:
    """English name of a language, ``Portuguese (BR)``; the tag itself where the name is not known."""
    primary, _, rest = tag.partition("-")
    name = _NAMES.get(primary.lower())
    return tag if name is None else f"{name} ({rest})" if rest else name


def fit(served: str, wanted: str) -> int:
    """How well a served language fits what is asked for: 0 not, 1 unknown, 2 another region or script, 3 the same."""
    if served == UNKNOWN:
        return 1
    served, wanted = served.lower(), wanted.lower()
    if served == wanted:
        return 3
    return 2 if served.partition("-")[0] == wanted.partition("-")[0] else 0
