"""verify of a set: the chain of moves, what the last one names, and every file of every part."""

from xtr_assets.core.errors import CorruptFile, StorageError
from xtr_assets.storage.digests import VerifyReport
from xtr_assets.storage.parts.part_set_reader import PartSetReader, unknown_move


def verify_set(opened: PartSetReader, number: int | None = None, *, full: bool = True) -> VerifyReport:
    """Compare what move `number` names, or all of every part; the moves always. GenerationError for an unknown move.

    Paths of problems are from the set's folder. With `full=False` only sizes are compared.
    """
    layout = opened.layout
    files = size = 0
    problems: dict[str, CorruptFile] = {}

    def note(problem: CorruptFile, below: str = "") -> None:
        path = f"{below}{problem.path.removeprefix(below)}"
        problems.setdefault(path, CorruptFile(path, problem.expected, problem.found, problem.remedy))

    named = dict.fromkeys(opened.info.parts, None if number is None else 0)
    try:
        moves = opened.moves()
        files += len(moves)
        size += sum(layout.move(one.number).stat().st_size for one in moves)
    except CorruptFile as error:
        note(error)
        moves = []
    if moves:
        if number is not None and not 1 <= number <= len(moves):
            raise unknown_move(number, len(moves))
        move = moves[-1] if number is None else moves[number - 1]
        own = {part: state.generation for part, state in move.parts.items()}
        named = own if number is not None else {**dict.fromkeys(own), **named}
        try:
            opened.generation(move.number)
        except CorruptFile as error:
            note(error)
        except StorageError as error:
            if number is not None:
                raise
            note(CorruptFile(layout.relative(layout.move(move.number)), "generations that are there", str(error)))
    for part, generation in named.items():
        below = f"{layout.relative(layout.part(part))}/"
        if generation == 0:
            continue  # No chain of moves says which one is meant.
        try:
            report = opened.part_warehouse(part).verify(generation, full=full)
        except StorageError as error:
            note(CorruptFile(f"{below}warehouse.json", "a warehouse", str(error)))
            continue
        files, size = files + report.files, size + report.bytes
        for problem in report.problems:
            note(problem, below)
    return VerifyReport(files, size, tuple(problems[name] for name in sorted(problems)))
