"""A process that reads documents for another one: `python -m xtr_assets.core.chunking.document_reader`.

Parsers of documents and workbooks are written in C or Rust, or meet files that were made to stop them. What may never
happen to a build (a hang, a crash, memory without end) happens to this process alone, which its owner then replaces.

It reads requests from its standard input: a line of JSON `{"number", "suffix", "bytes", "seconds", "memory"}` and so
many bytes. It answers each with a line of JSON that has its number and either `"blocks": [[first, last, level, text],
...]` or `"refused": [reason, detail]`.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable

from xtr_assets.core.chunking.blocks import Block, DocumentRefused


def _html(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.html_page import html_blocks

    return html_blocks(data.decode())


def _docx(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.docx_body import docx_blocks

    return docx_blocks(data)


def _pptx(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.pptx_slides import pptx_slides

    return pptx_slides(data)


def _epub(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.epub_chapters import epub_chapters

    return epub_chapters(data)


def _odt(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.odt_body import odt_blocks

    return odt_blocks(data)


def _pdf(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.pdf_pages import pdf_pages

    return pdf_pages(data)


def _xlsx(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.xlsx_rows import xlsx_rows

    return xlsx_rows(data)


def _rst(data: bytes) -> list[Block]:
    from xtr_assets.core.chunking.rst_titles import rst_titles

    return rst_titles(data.decode())


# Each loads its library when it is needed.
READERS: dict[str, Callable[[bytes], list[Block]]] = {
    ".html": _html,
    ".htm": _html,
    ".xhtml": _html,
    ".docx": _docx,
    ".pptx": _pptx,
    ".pdf": _pdf,
    ".epub": _epub,
    ".odt": _odt,
    ".xlsx": _xlsx,
    ".rst": _rst,
}


def answer(suffix: str, data: bytes) -> dict[str, object]:
    """What a document holds, or why it cannot be used. Whatever a parser raises is said of the document."""
    try:
        blocks = READERS[suffix](data)
        held = [[one.first, one.last, one.level, one.text] for one in blocks]
        # What no warehouse file can hold is found here, by name.
        json.dumps(held, ensure_ascii=False).encode()
        return {"blocks": held}
    except DocumentRefused as error:
        return {"refused": [error.reason, error.detail]}
    except MemoryError:
        return {"refused": ["beyond-limits", "reading it takes more memory than is allowed; split or exclude the file"]}
    except RecursionError:
        return {"refused": ["beyond-limits", "nested too deeply for its parser; save it anew or exclude the file"]}
    except Exception as error:
        detail = f"its parser fails on it ({type(error).__name__}: {error!s:.200}); save it anew or exclude the file"
        return {"refused": ["unparsable", detail]}


def main() -> None:
    """Serve until the input ends."""
    requests = sys.stdin.buffer
    # Answers have a descriptor of their own: what a library prints goes nowhere.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Whatever our owner does with these: interrupting is its own affair, and the time limit has to end us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    limited = False
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["bytes"])
        if not limited and sys.platform == "linux":  # macOS takes the limit and keeps none.
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            bytes_ = request["memory"] if most == resource.RLIM_INFINITY else min(request["memory"], most)
            resource.setrlimit(resource.RLIMIT_AS, (bytes_, most))
            limited = True
        # Seconds of CPU, whatever else the machine does; nothing in C can hold the signal off, and it ends us.
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        said = answer(request["suffix"], data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps({"number": request["number"], **said}).encode() + b"\n")
        answers.flush()
        del data, said


if __name__ == "__main__":
    main()
