"""What a generation must have passed to serve, held against the records that it has."""

from collections.abc import Sequence
from dataclasses import dataclass

from xtr_assets.core.errors import InvalidInput
from xtr_assets.storage.draft import EVERY_FILE, LEXICAL_INDEX, TOKEN_INDEX, subject_digest
from xtr_assets.storage.id_map import ID_MAP_NAME
from xtr_assets.storage.manifest import CheckRecord, Manifest, RequiredCheck

# Files and folders of a generation that a search reads.
SEARCHED = (ID_MAP_NAME, "dense.faiss", TOKEN_INDEX, LEXICAL_INDEX)


@dataclass(frozen=True, slots=True)
class Unmet:
    """A demand that a generation does not meet. `record` is there where the check ran and did not pass; otherwise
    `problem` says what is wrong with its record."""

    name: str
    problem: str
    record: CheckRecord | None = None


def demands(manifest: Manifest, asked: Sequence[RequiredCheck] | None) -> tuple[RequiredCheck, ...]:
    """What the draft was begun with, and what is asked now: whoever asks for less than the draft was begun with gets
    no less. Two demands of one name are both to be met."""
    wrong = [one for one in asked or () if not isinstance(one, RequiredCheck)]
    if wrong:
        raise InvalidInput(
            f"`required` holds {wrong[0]!r}; it takes RequiredCheck(name, version, subject, profile_keys), or is left "
            "out: then the generation's own requirement counts"
        )
    return tuple(dict.fromkeys((*manifest.required, *(asked or ()))))


def unmet(manifest: Manifest, required: Sequence[RequiredCheck]) -> list[Unmet]:
    """Everything that keeps the generation from serving; no demand at all is none that is met."""
    if not required:
        return [Unmet("", "nothing says which checks it must pass: it was not begun by a build")]
    found = [one for demand in required if (one := _unmet(manifest, demand)) is not None]
    covered = {key for demand in required for key in demand.profile_keys}
    found += [
        Unmet("", f"its profile sets {key!r}, which changes what is served, and no required check is about that")
        for key in sorted(set(manifest.profile) - covered)
    ]
    return list({(one.name, one.problem): one for one in found}.values())


def unmade(manifest: Manifest, required: Sequence[RequiredCheck]) -> list[str]:
    """What of an index the required checks are about, and the generation has not: the step that makes it never ran, as
    where a check stopped the build before. No word lets that serve: there is nothing to search."""
    asked = {name for demand in required for name in demand.subject}
    own = f"generations/{manifest.number}/"
    files = [key.removeprefix(own) for key in manifest.files]
    return [name for name in SEARCHED if name in asked and not any(_within(file, name) for file in files)]


def _unmet(manifest: Manifest, demand: RequiredCheck) -> Unmet | None:
    name, record = demand.name, manifest.checks.get(demand.name)
    if record is None:
        return Unmet(name, "has no record: it never ran on this generation")
    if record.seal is None or record.version is None:
        return Unmet(name, "its record does not say who made it: an older release wrote it, or no check did")
    if record.name != name or not record.intact(manifest.run_id):
        return Unmet(name, "its record was changed after the check wrote it, or belongs to another draft")
    if record.version != demand.version:
        return Unmet(name, f"was recorded by version {record.version} of the check, version {demand.version} is asked")
    if not record.passed:
        return Unmet(name, "did not pass", record)
    if lacking := [one for one in demand.subject if not _about(manifest, record, one)]:
        return Unmet(name, f"passed, but its record is not about {', '.join(lacking)}")
    if lacking := sorted(set(demand.profile_keys).difference(record.profile_keys)):
        return Unmet(name, f"passed, but its record is not about the profile of {', '.join(lacking)}")
    return None if _holds(manifest, record) else Unmet(name, "passed for other bytes than the generation's")


def _about(manifest: Manifest, record: CheckRecord, name: str) -> bool:
    """Whether the record's subject has a file, or every file of a folder. What is not there no record is about."""
    if EVERY_FILE in record.subject:
        return True
    own = f"generations/{manifest.number}/"
    files = [key.removeprefix(own) for key in manifest.files if _within(key.removeprefix(own), name)]
    return bool(files) and all(any(_within(file, one) for one in record.subject) for file in files)


def _within(file: str, name: str) -> bool:
    return file == name or file.startswith(f"{name}/")


def _holds(manifest: Manifest, record: CheckRecord) -> bool:
    try:
        return record.digest == subject_digest(manifest, record.subject, record.profile_keys)
    except InvalidInput:  # a file it was about is no longer part of the draft
        return False
