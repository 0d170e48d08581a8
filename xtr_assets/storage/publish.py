"""Sealing, publishing, rolling back, withdrawing. The commit step is the rename of PUBLISHED."""

import logging
from collections.abc import Sequence

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput, PublishRefused
from xtr_assets.core.files import write_atomic
from xtr_assets.storage.digests import BUILD_SECONDS, verify_files
from xtr_assets.storage.draft import subject_digest
from xtr_assets.storage.generation import Generation, is_sealed, read_manifest, seal_text
from xtr_assets.storage.history import (
    append_history,
    move_pointer,
    moves,
    published_stack,
    read_history,
    read_published,
    withdrawn_numbers,
)
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import Manifest, sha256_bytes

log = logging.getLogger(__name__)


def publish(
    layout: Layout, number: int, *, required: Sequence[str], force_reason: str | None = None, who: str | None = None
) -> Generation:
    """Seal generation `number` where it is a draft, and let it serve.

    Refused: an unknown or withdrawn number, a file that fails full verification, and, for a draft, a required check
    without a passing record for exactly these bytes. Only the last can be forced, with a reason that is kept.
    """
    if force_reason is not None and not force_reason.strip():
        raise InvalidInput("force needs a reason; it is kept in the manifest and in the history")
    refuse_withdrawn(layout, number)
    manifest = read_manifest(layout, number)
    problems = verify_files(layout, manifest.files, full=True, within=BUILD_SECONDS)
    if problems:
        raise PublishRefused(
            f"generation {number}: {len(problems)} files fail verification; "
            + "; ".join(str(problem) for problem in problems[:5])
            + "; restore them, or build again"
        ) from problems[0]
    if not is_sealed(layout, number):
        missing = unmet_checks(manifest, required)
        if missing and force_reason is None:
            raise PublishRefused(
                f"generation {number} is not published: {'; '.join(missing)}. Repair what the check shows and build "
                "again, or publish with --force and a reason"
            )
        manifest = seal(layout, manifest, force_reason if missing else None)
    _serve(layout, number, "published", who, force_reason)
    return Generation.open(layout, number)


def unmet_checks(manifest: Manifest, required: Sequence[str]) -> list[str]:
    """Each required check that has no passing record for the manifest's bytes, with the reason."""
    unmet = []
    for name in required:
        record = manifest.checks.get(name)
        if record is None:
            unmet.append(f"check {name!r} has no record (run it on this draft)")
        elif not record.passed:
            unmet.append(f"check {name!r} failed (value {record.value}, threshold {record.threshold})")
        elif not _holds(manifest, name):
            unmet.append(f"check {name!r} passed for other bytes than the draft's (run it again)")
    return unmet


def _holds(manifest: Manifest, name: str) -> bool:
    record = manifest.checks[name]
    try:
        return record.digest == subject_digest(manifest, record.subject, record.profile_keys)
    except InvalidInput:  # a file or profile it was about is no longer part of the draft
        return False


def seal(layout: Layout, manifest: Manifest, forced: str | None) -> Manifest:
    """Freeze a draft whose files were verified: the final manifest, then its sha256 beside it."""
    final = manifest.model_copy(update={"state": "sealed", "sealed_at": now(), "forced": forced})
    data = final.to_bytes()
    write_atomic(layout.manifest(manifest.number), data)
    write_atomic(layout.manifest_seal(manifest.number), seal_text(data))
    return final


def rollback(layout: Layout, to: int | None = None, *, who: str | None = None, reason: str | None = None) -> Generation:
    """Let an earlier generation serve again: `to`, or the one published before, passing over withdrawn ones."""
    current = read_published(layout)
    target = previous_published(layout) if to is None else to
    if target is None:
        raise GenerationError(f"nothing was published before generation {current}; publish another one first")
    if not is_sealed(layout, target):
        read_manifest(layout, target)
        raise GenerationError(f"generation {target} is a draft; only a published one can be rolled back to")
    if target == current:
        raise GenerationError(f"generation {target} is the published one already")
    refuse_withdrawn(layout, target)
    problems = verify_files(layout, read_manifest(layout, target).files, full=True)
    if problems:
        raise problems[0]
    _serve(layout, target, "rolled_back", who, reason)
    return Generation.open(layout, target)


def previous_published(layout: Layout) -> int | None:
    """Where a rollback goes: the newest generation below the serving one in the stack that can still serve."""
    entries = read_history(layout)
    current = read_published(layout)
    refused = withdrawn_numbers(entries)
    for number in reversed(published_stack(entries, current)):
        if number != current and number not in refused and is_sealed(layout, number):
            return number
    return None


def withdraw(layout: Layout, number: int, reason: str, *, who: str | None = None) -> None:
    """Mark a generation as never to serve again. Where it serves, the one before takes over first."""
    if not reason.strip():
        raise InvalidInput("withdraw needs a reason; it is kept in the history")
    refuse_withdrawn(layout, number)
    read_manifest(layout, number)
    if not is_sealed(layout, number):
        raise GenerationError(f"generation {number} is a draft; discard it instead")
    current = read_published(layout)
    if current == number:
        if previous_published(layout) is None:
            raise GenerationError(
                f"generation {number} serves and nothing was published before it; publish another one first"
            )
        current = rollback(layout, who=who, reason=f"generation {number} is withdrawn: {reason}").number
    append_history(layout, "withdrawn", number, previous=current, who=who, reason=reason)


def recover(layout: Layout) -> None:
    """Note a move of the pointer that a crash kept out of the history."""
    current = read_published(layout)
    entries = moves(read_history(layout))
    last = entries[-1].generation if entries else None
    if current is not None and current != last:
        log.warning("generation %d was published by a writer that died before it noted so", current)
        append_history(layout, "recovered", current, previous=last, who=None)


def _serve(layout: Layout, number: int, action: str, who: str | None, reason: str | None) -> None:
    recover(layout)
    previous = read_published(layout)
    digest = sha256_bytes(layout.manifest(number).read_bytes())
    forced = read_manifest(layout, number).forced is not None and action == "published"
    move_pointer(layout, number)
    append_history(
        layout, action, number, previous=previous, who=who, reason=reason, forced=forced, manifest_sha256=digest
    )


def refuse_withdrawn(layout: Layout, number: int) -> None:
    """GenerationError naming who withdrew the generation, when and why."""
    for entry in read_history(layout):
        if entry.action == "withdrawn" and entry.generation == number:
            raise GenerationError(
                f"generation {number} was withdrawn on {entry.at} by {entry.who} ({entry.reason}); build a new one"
            )


def sealed_manifest_problems(layout: Layout, number: int) -> list[CorruptFile]:
    """Whether a sealed manifest and its sha256 agree; the history decides which of the two is damaged."""
    data, seal_data = layout.manifest(number).read_bytes(), layout.manifest_seal(number).read_bytes()
    if seal_text(data) == seal_data:
        return []
    actual = sha256_bytes(data)
    noted = {e.manifest_sha256 for e in read_history(layout) if e.generation == number and e.manifest_sha256}
    names = [layout.manifest_seal(number)] if actual in noted else [layout.manifest(number)]
    if not noted:
        names = [layout.manifest(number), layout.manifest_seal(number)]
    return [
        CorruptFile(layout.relative(p), f"sha256 {seal_data[:64].decode('ascii', 'replace')}", f"sha256 {actual}")
        for p in names
    ]
