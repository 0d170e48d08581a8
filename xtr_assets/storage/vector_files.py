"""How what an encoder makes of a segment is called: embeddings, tokens, names, and the lists of their files."""

from collections.abc import Iterable

from xtr_assets.core.name_text import NAME_VERSION, NAMINGS, Naming

LISTING_NAME = "files.json"


def embeddings_file(fingerprint: str) -> str:
    return f"embeddings.{fingerprint[:8]}.npy"


def embeddings_listing(fingerprint: str) -> str:
    return f"embeddings.{fingerprint[:8]}.json"


def tokens_folder(fingerprint: str) -> str:
    return f"tokens.{fingerprint[:8]}"


def names_folder(fingerprint: str, naming: Naming = "all") -> str:
    """Another wording of names, or names of other rows, is another folder: what is there is never replaced."""
    return f"names.{fingerprint[:8]}.{NAME_VERSION}{'.code' if naming == 'code' else ''}"


def names_folders(fingerprint: str) -> tuple[str, ...]:
    """All that this release writes."""
    return tuple(names_folder(fingerprint, naming) for naming in NAMINGS)


def listed_names(files: Iterable[str]) -> dict[str, str]:
    """Segment id -> the folder of its names, of the files that a manifest lists. Release after release words names
    otherwise, and finds rows by their vectors alike: a generation is asked by the names that it was published with."""
    listings = (one.split("/") for one in files if "/names." in one and one.endswith(f"/{LISTING_NAME}"))
    return {parts[1]: parts[2] for parts in listings if parts[0] == "segments"}
