"""Errors cross from process to process: a pool whose answer cannot be read breaks, or waits for ever."""

import pickle

from xtr_assets.core import errors
from xtr_assets.core.errors import XtrAssetsError


def _kinds(root: type[XtrAssetsError] = XtrAssetsError) -> list[type[XtrAssetsError]]:
    return [root, *(kind for one in root.__subclasses__() for kind in _kinds(one))]


def test_every_error_arrives_in_another_process_as_it_was() -> None:
    given = {
        errors.CorruptFile: ("a.npy", "3 bytes", "2 bytes"),
        errors.UnreadableFile: ("a.npy", "Permission denied"),
        errors.UnusableText: (3, "it is empty"),
        errors.NothingMatches: ("nothing matches", 3, 1),
        errors.ServerBusy: ("busy", 2.5),
        errors.UnknownFormat: ("version 9", "a.json"),
    }
    kinds = _kinds()
    assert len(kinds) > 25 and set(given) <= set(kinds)
    for kind in kinds:
        error = kind(*given.get(kind, ("what happened",)))
        error.add_note("a note")
        there = pickle.loads(pickle.dumps(error))
        assert type(there) is kind and str(there) == str(error) and vars(there) == vars(error), kind
        assert there.args == error.args
