"""Sealing, publishing, rolling back, withdrawing. The commit step is the rename of PUBLISHED."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xtr_assets.core.errors import CorruptFile, GenerationError, PublishRefused, StorageError
from xtr_assets.core.files import read_regular, write_atomic
from xtr_assets.storage.confirmation import Before
from xtr_assets.storage.content import TakenBack
from xtr_assets.storage.counted_moves import count_move, counting_refusals
from xtr_assets.storage.digests import BUILD_SECONDS, stamp_of
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import (
    append_history,
    move_pointer,
    pointer_moved_to,
    published_stack,
    read_history,
    read_published,
)
from xtr_assets.storage.history_entry import check_reason
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.lock import committing, now
from xtr_assets.storage.manifest import Manifest, RequiredCheck
from xtr_assets.storage.refusal import force_line, not_published, publish_line, was_taken_back
from xtr_assets.storage.remembrance import (
    alike,
    content_of,
    content_or_none,
    files_or_none,
    refusal_of,
    withdrawal_of,
)
from xtr_assets.storage.requirement import demands, unmade, unmet
from xtr_assets.storage.scrub import own_files, verify_once
from xtr_assets.storage.seal import is_sealed, read_manifest, refuse_altered, restore_seals, seal_text, sealed_sha256
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.unnoted_move import refuse_withdrawn_pointer

log = logging.getLogger(__name__)


@counting_refusals()
def publish(
    layout: Layout,
    number: int,
    *,
    required: Sequence[RequiredCheck] | None = None,
    force_reason: str | None = None,
    again_reason: str | None = None,
    who: str | None = None,
    notes: Mapping[str, Any] | None = None,
) -> Generation:
    """Seal generation `number` where it is a draft, and let it serve.

    Refused: an unknown number; a file or manifest that fails verification; what was rolled back or withdrawn, under
    whatever number, without an `again_reason`; and, unless it served here before, a generation that was built from
    another one than serves by now, or that lacks a passing record, for exactly its bytes, of a check that it was begun
    with or that is `required`. Only these two can be forced. Reasons are kept. What lacks an index that the checks are
    about is not: the build stopped before it was made.
    `notes` are sealed beside the draft's own; what is sealed already keeps those that it has.
    """
    for reason, word in ((force_reason, "force"), (again_reason, "again")):
        check_reason(reason, word)
    refuse_withdrawn_pointer(layout)
    manifest = read_manifest(layout, number)
    refuse_altered(layout, number)
    content = content_of(layout, manifest)
    back = refusal_of(layout, number, content)
    if back is not None and again_reason is None:
        raise PublishRefused(was_taken_back(number, back))
    anew = own_files(manifest, _parent_manifest(layout, manifest))
    verified = _stamps(layout, manifest)
    problems = verify_once(layout, manifest.files, within=BUILD_SECONDS, anew=anew)
    if problems:
        raise PublishRefused(
            f"generation {number}: {len(problems)} files fail verification; "
            + "; ".join(str(problem) for problem in problems[:5])
            + "; restore them, or build again"
        ) from problems[0]
    forced = None
    if not _served(layout, number):
        late = overtaken(layout, manifest)
        if late and force_reason is None:
            raise PublishRefused(f"{late}, or {force_line(number)}")
        demanded = demands(manifest, required)
        found, lacking = unmet(manifest, demanded), unmade(manifest, demanded)
        if found and (force_reason is None or lacking):
            raise PublishRefused(not_published(number, found, lacking))
        forced = force_reason if found or late else None
    if not is_sealed(layout, number):
        seal(layout, manifest, forced, notes or {}, verified)
    # Of the same files more than one content may have been taken back, and the files themselves.
    while back is not None:
        allow_again(layout, back, again_reason or "", who=who)
        back = refusal_of(layout, number, content)
    _serve(layout, number, "published", content, who, force_reason or again_reason, forced=forced is not None)
    return Generation.open(layout, number)


def overtaken(layout: Layout, manifest: Manifest) -> str:
    """Why what was built here would lose what serves by now, and what helps; empty where it is built from just that. An
    import was built from nothing that is here."""
    serving = read_published(layout)
    if serving == manifest.parent or any(
        one.action == "imported" and one.generation == manifest.number for one in read_history(layout)
    ):
        return ""
    built = "nothing" if manifest.parent is None else f"generation {manifest.parent}"
    return (
        f"generation {manifest.number} was built from {built}, but {serving or 'none'} serves by now; build again, "
        "from what serves, so that nothing published or rolled back meanwhile is lost"
    )


def _parent_manifest(layout: Layout, manifest: Manifest) -> Manifest | None:
    if manifest.parent is None or not layout.manifest(manifest.parent).is_file():
        return None
    return read_manifest(layout, manifest.parent)


def allow_again(layout: Layout, back: TakenBack, reason: str, *, who: str | None = None) -> None:
    """Let a content that was rolled back or withdrawn serve again, or files: somebody says so, and why."""
    check_reason(reason, "again")
    current = read_published(layout)
    files = back.files if back.by_files else None
    said: dict[str, Any] = {"content": back.content, "files": files}
    _note(layout, "allowed", back.generation, previous=current, who=who, reason=reason, **said)


def of_content(taken: Mapping[str, TakenBack], content: str) -> TakenBack:
    """What took back this content, or what was made from files of this digest. GenerationError where nothing did."""
    of_files = (replace(one, by_files=True) for one in taken.values() if one.files == content)
    back = taken.get(content) or next(of_files, None)
    if back is None:
        raise GenerationError(f"nothing took back the content {content[:16]}; it may be published as it is")
    return back


def _served(layout: Layout, number: int) -> bool:
    """Whether it passed the gate of this warehouse, or was forced past it: then moving the pointer is all there is."""
    return is_sealed(layout, number) and pointer_moved_to(layout, number)


def _stamps(layout: Layout, manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """By name what changes when somebody writes to one of the generation's own files, and not where one is linked to or
    gets another mode; empty where it is not there."""
    own = f"generations/{manifest.number}/"
    paths = {name: layout.resolve(name) for name in manifest.files if name.startswith(own)}
    return {name: stamp_of(path)[:4] if path.is_file() else () for name, path in paths.items()}


def seal(
    layout: Layout, manifest: Manifest, forced: str | None, notes: Mapping[str, Any], verified: Mapping[str, object]
) -> None:
    """Freeze a draft whose files were verified: the final manifest, then its sha256 beside it. PublishRefused where
    somebody wrote to the draft since it was read: what it was judged by is not what it says now. verified : its own
    files as they were before they were read; a step puts a file in its place before the manifest says so."""
    update = {"state": "sealed", "sealed_at": now(), "forced": forced, "notes": {**manifest.notes, **notes}}
    data = manifest.model_copy(update=update).whole_bytes()
    with committing(layout, f"seal of generation {manifest.number}"):
        if read_manifest(layout, manifest.number) != manifest or _stamps(layout, manifest) != verified:
            raise PublishRefused(
                f"generation {manifest.number} was written to while it was published; publish it again once nobody does"
            )
        write_atomic(layout.manifest(manifest.number), data)
        write_atomic(layout.manifest_seal(manifest.number), seal_text(data))


def rollback(layout: Layout, to: int | None = None, *, who: str | None = None, reason: str | None = None) -> Generation:
    """Let an earlier generation serve again: `to`, or the one published before, passing over withdrawn ones."""
    check_reason(reason or None, "rollback")
    refuse_withdrawn_pointer(layout)
    current = read_published(layout)
    target = previous_published(layout) if to is None else to
    if target is None and current is None:
        raise GenerationError(
            "nothing serves, and nothing was published before that may; `xtr-assets build` (in Dagster: `rebuild`) "
            "publishes a generation that passes its checks"
        )
    if target is None:
        raise GenerationError(
            f"nothing was published before generation {current} that may serve; publish another one first"
        )
    if not is_sealed(layout, target):
        read_manifest(layout, target)
        raise GenerationError(f"generation {target} is a draft; only a published one can be rolled back to")
    if target == current:
        raise GenerationError(f"generation {target} is the published one already")
    content = refuse_withdrawn(layout, target)
    if not _served(layout, target):
        # An import, or what was sealed by a publish that died: going back to it would pass the checks by.
        raise GenerationError(
            f"generation {target} never served here, so that there is no going back to it; {publish_line(target)} asks "
            "for its checks and lets it serve"
        )
    refuse_altered(layout, target)
    problems = verify_once(layout, read_manifest(layout, target).files)
    if problems:
        raise problems[0]
    _serve(layout, target, "rolled_back", content, who, reason)
    return Generation.open(layout, target)


def previous_published(layout: Layout, *, besides: int | None = None) -> int | None:
    """Where a rollback goes: the newest generation below the serving one in the stack that can still serve, and holds
    something else than the generation `besides`."""
    current = read_published(layout)
    is_besides = (lambda _: False) if besides is None else alike(layout, besides)
    for number in reversed(published_stack(read_history(layout), current)):
        if number == current or not is_sealed(layout, number) or is_besides(number):
            continue
        if withdrawal_of(layout, number) is None:
            return number
    return None


def withdraw(layout: Layout, number: int, reason: str, *, who: str | None = None) -> None:
    """Mark what a generation holds as never to serve again, under whatever number. Where it serves, the one before that
    holds something else takes over first. Where what serves then was made from other files, nothing that is made from
    the same ones by other settings or another encoder serves either."""
    check_reason(reason, "withdraw")
    refuse_withdrawn_pointer(layout)
    content = refuse_withdrawn(layout, number)
    if not is_sealed(layout, number):
        raise GenerationError(f"generation {number} is a draft; discard it instead")
    current = read_published(layout)
    if current is not None and current != number and alike(layout, number)(current):
        raise GenerationError(
            f"generation {current} serves and holds exactly what generation {number} does; withdraw {current}, which "
            "lets what served before them take over"
        )
    if current == number:
        target = previous_published(layout, besides=number)
        if target is None:
            raise GenerationError(
                f"generation {number} serves and nothing was published before it that holds anything else; publish "
                "another one first"
            )
        current = rollback(layout, target, who=who, reason=f"generation {number} is withdrawn: {reason}").number
    files = _withdrawn_files(layout, number)
    others = (one for one in layout.numbers() if files is not None and one != number and is_sealed(layout, one))
    also = [one for one in others if files_or_none(layout, one) == files]
    said: dict[str, Any] = {"content": content, "files": files, **({"also": also} if also else {})}
    _note(layout, "withdrawn", number, previous=current, who=who, reason=reason, **said)
    count_move(layout.root.name, "withdrawn", current)


def _withdrawn_files(layout: Layout, number: int) -> str | None:
    """What a withdrawal says of files; None where what serves then is made from the same."""
    files, current = files_or_none(layout, number), read_published(layout)
    serves = previous_published(layout, besides=number) if current == number else current
    return None if serves is not None and files_or_none(layout, serves) == files else files


def withdrawn_with(layout: Layout, number: int) -> Callable[[int], bool]:
    """Whether another generation may serve no more either, once `number` is withdrawn."""
    holds_the_same, files = alike(layout, number), _withdrawn_files(layout, number)
    return lambda other: holds_the_same(other) or (files is not None and files_or_none(layout, other) == files)


def recover(layout: Layout) -> None:
    """Note a move of the pointer that a crash kept out of the history, and write seals again that got lost.

    CorruptFile where the pointer names what was withdrawn.
    """
    refuse_withdrawn_pointer(layout)
    restore_seals(layout)
    current = read_published(layout)
    entries = [entry for entry in read_history(layout) if entry.moves]
    last = entries[-1].generation if entries else None
    if current is not None and current != last:
        log.warning("generation %d was published by a writer that died before it noted so", current)
        _note(
            layout,
            "recovered",
            current,
            previous=last,
            who=None,
            content=content_or_none(layout, current),
            manifest_sha256=sealed_sha256(layout, current),
            forced=_is_forced(layout, current),
        )


def _is_forced(layout: Layout, number: int) -> bool:
    try:
        return read_manifest(layout, number).forced is not None
    except StorageError:  # damaged: `verify` says so
        return False


def _serve(
    layout: Layout, number: int, action: str, content: str, who: str | None, reason: str | None, *, forced: bool = False
) -> None:
    recover(layout)
    previous = read_published(layout)
    digest = sha256_bytes(read_regular(layout.manifest(number), layout.relative(layout.manifest(number))))
    forced = forced or (read_manifest(layout, number).forced is not None and action == "published")
    before = Before.of(layout)
    move_pointer(layout, number)
    before.confirm_pointer(number)
    _note(
        layout,
        action,
        number,
        previous=previous,
        who=who,
        reason=reason,
        before=before,
        forced=forced,
        manifest_sha256=digest,
        content=content,
    )
    count_move(layout.root.name, action, number, forced)


def _note(
    layout: Layout,
    action: str,
    number: int,
    *,
    previous: int | None,
    who: str | None,
    reason: str | None = None,
    before: Before | None = None,
    **more: Any,
) -> None:
    """Append a line to the history and read it back; `before` is what is restored where it says something else."""
    before = before or Before.of(layout)
    try:
        append_history(layout, action, number, previous=previous, who=who, reason=reason, **more)
    except CorruptFile:
        # The history lost lines since it was looked at: what serves is what served, and nothing is noted.
        before.put_back()
        raise
    before.confirm_line({"action": action, "generation": number, "previous": previous, "reason": reason, **more})


def refuse_withdrawn(layout: Layout, number: int) -> str:
    """The content of the generation; PublishRefused where it was withdrawn, naming who did that, when and why."""
    if (back := withdrawal_of(layout, number)) is not None:
        raise PublishRefused(was_taken_back(number, back))
    return content_of(layout, read_manifest(layout, number))
