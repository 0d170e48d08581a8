"""Section titles of reStructuredText as docutils finds them; nothing that a document asks for is done.

Every directive is passed over as a block of text: no file is included, nothing raw is taken, no address is opened. Of
what stands inside a line only the words of titles are read.
"""

from typing import Any

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Parser, states
from docutils.utils import new_document

from xtr_assets.core.chunking.blocks import Block
from xtr_assets.core.chunking.heading_words import rst_words
from xtr_assets.core.chunking.headings import titled

# Files and raw output are off besides; what docutils would say of a document goes nowhere.
_SETTINGS: dict[str, Any] = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 6,
    "warning_stream": False,
}


def rst_titles(text: str) -> list[Block]:
    """The titles of a document whose newlines are normalized, in order; their adornments are among their lines."""
    settings = get_default_settings(Parser)
    for name, value in _SETTINGS.items():
        setattr(settings, name, value)
    found: list[Block] = []
    make: Any = states.RSTStateMachine
    machine = make(state_classes=_states(found), initial_state="Body")
    # Not `string2lines`, which counts form feeds and U+2028 as ends of lines.
    lines = [line.translate(_BLANKS).expandtabs(8).rstrip() for line in text.split("\n")]
    machine.run(lines, new_document("text", settings), inliner=_inliner())
    return found


_BLANKS = {ord(one): " " for one in "\f\v\x1c\x1d\x1e\x85\u2028\u2029"}


def _inliner() -> Any:
    """Takes each line as it stands."""
    inliner: Any = states.Inliner()
    inliner.parse = lambda text, *_: ([nodes.Text(text)], [])
    return inliner


def _states(found: list[Block]) -> tuple[type, ...]:
    """The states of docutils' machine, which note titles in `found` and look into no directive."""

    def section(self: Any, title: str, source: str, style: Any, lineno: int, messages: Any) -> None:
        if self.check_subsection(source, style, lineno):
            last = self.state_machine.abs_line_number()
            level = self.memo.title_styles.index(style) + 1
            found.append(Block(last - source.count("\n"), last, level, titled(rst_words(title))))
            self.new_subsection(title, lineno, messages)

    def run_directive(self: Any, _: Any, match: Any, *__: Any) -> Any:
        blank_finish = self.state_machine.get_first_known_indented(match.end(), strip_top=False)[3]
        return [nodes.comment()], blank_finish

    def unknown_directive(self: Any, *_: Any) -> Any:
        blank_finish = self.state_machine.get_first_known_indented(0, strip_indent=False)[3]
        return [nodes.comment()], blank_finish

    methods = {"section": section, "run_directive": run_directive, "unknown_directive": unknown_directive}
    return tuple(type(one.__name__, (one,), methods) for one in states.state_classes)
