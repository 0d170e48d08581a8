"""Search settings as one text, "nprobe=32,rescore=200", in the way of FAISS's ParameterSpace."""

from collections.abc import Mapping

from xtr_assets.core.errors import InvalidInput

# Digits of a value: more than any index has rows.
MOST_DIGITS = 12


def parse_parameters(text: str, names: Mapping[str, str]) -> dict[str, int]:
    """Read a parameter text. names : what may be written -> the setting that it means. Raises InvalidInput.

    >>> parse_parameters("efSearch=32, k_factor=4", {"efSearch": "ef_search", "k_factor": "k_factor"})
    {'ef_search': 32, 'k_factor': 4}
    """
    if not isinstance(text, str):
        raise InvalidInput(f"parameters is {text!r}; pass text such as 'nprobe=32,rescore=200'")
    values: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (part.strip() for part in item.partition("="))
        if name not in names:
            raise InvalidInput(f"parameter {name!r} is unknown; allowed: {', '.join(sorted(names))}")
        if not (value.isascii() and value.isdecimal()) or len(value) > MOST_DIGITS:
            shown = value if len(value) <= MOST_DIGITS else f"{value[:MOST_DIGITS]}..."
            raise InvalidInput(f"parameter {name} is {shown!r}; a whole number is needed")
        values[names[name]] = int(value)
    return values
