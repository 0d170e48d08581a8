"""What a check of the gate is: a function over a draft, what it is about, and of which leg."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from xtr_assets.config import IndexConfig
from xtr_assets.core.types import BOTH_LEGS, SPACE_OF, Leg, Legs
from xtr_assets.pipeline.derive.neighbor_lists import neighbor_files
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.loaders import DENSE_FILE, TOKEN_FILE
from xtr_assets.storage.draft import LEXICAL_INDEX, TOKEN_INDEX
from xtr_assets.storage.manifest import RequiredCheck

TOKEN_FOLDER, LEXICAL_FOLDER = TOKEN_INDEX, LEXICAL_INDEX

# Assets of one leg: an index without it has none of them, nor the checks that follow them.
LEG_OF_ASSET: Mapping[str, Leg] = {
    "embeddings": "dense",
    "token_embeddings": "tokens",
    "faiss_index": "dense",
    "xtr_index": "tokens",
}
# What of a generation is of one leg, and what of its profile.
LEG_OF_FILE: Mapping[str, Leg] = {
    DENSE_FILE: "dense",
    TOKEN_FOLDER: "tokens",
    TOKEN_FILE: "tokens",
    **dict.fromkeys(neighbor_files("dense"), "dense"),
    **dict.fromkeys(neighbor_files("xtr"), "tokens"),
}
LEG_OF_PROFILE: Mapping[str, Leg] = {space: leg for leg, space in SPACE_OF.items()}


@dataclass(frozen=True, slots=True)
class GateCheck:
    """A check of a draft.

    name : its name in records, in the UI and in `publish`. asset : the asset whose materialization it follows. look :
    what it does. what : one sentence for people. subject : the files it is about, relative to the generation; a record
    holds for exactly their bytes, those of the segments and the tombstones. profile_keys : the parts of the profile
    that it depends on: that the draft says nothing of one counts too. version : raised where a record of before no
    longer says the same. blocking : whether a draft without a passing record may not serve. deps : assets that it
    reads besides.
    """

    name: str
    asset: str
    look: Callable[[DraftSession], Finding]
    what: str
    subject: tuple[str, ...] = ()
    profile_keys: tuple[str, ...] = ()
    version: int = 1
    blocking: bool = True
    deps: tuple[str, ...] = ()
    applies: Callable[[IndexConfig], bool] = lambda _: True

    @property
    def leg(self) -> Leg | None:
        """The leg that it is about alone; None where it looks at whatever there is."""
        return LEG_OF_ASSET.get(self.asset)

    def over(self, legs: Legs) -> "GateCheck":
        """The same about a generation of these legs: of the others it has no file and no profile."""
        absent = BOTH_LEGS - legs
        return replace(
            self,
            subject=tuple(one for one in self.subject if LEG_OF_FILE.get(one) not in absent),
            profile_keys=tuple(one for one in self.profile_keys if LEG_OF_PROFILE.get(one) not in absent),
            deps=tuple(one for one in self.deps if LEG_OF_ASSET.get(one) not in absent),
        )

    @property
    def requirement(self) -> RequiredCheck:
        """What `publish` demands of its record."""
        return RequiredCheck(self.name, self.version, self.subject, self.profile_keys)
