"""docs/gate.md has a section for each check, with the registry's own sentence, and for nothing else."""

import re
from pathlib import Path

import pytest

from xtr_assets.pipeline.gate.gate_check import GateCheck
from xtr_assets.pipeline.gate.registry import CHECKS

PAGE = Path(__file__).parents[1] / "docs" / "gate.md"


def sections() -> dict[str, str]:
    """The text below each third-level heading."""
    parts = re.split(r"^#{2,3} ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return dict(part.split("\n", 1) for part in parts)


def test_every_check_has_a_section_and_nothing_else_claims_to_be_one() -> None:
    claimed = re.findall(r"^### (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert claimed == [check.name for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_section_says_what_the_registry_says(check: GateCheck) -> None:
    text = sections()[check.name]
    assert f"**{check.what}**" in text
    assert ("warns" in text) or check.blocking, f"{check.name} blocks nothing: say so"
    assert len(text) > len(check.what) + 40, f"{check.name}: what it cannot prove is not said"
