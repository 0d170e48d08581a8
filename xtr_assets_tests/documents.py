"""Small documents of every kind, written by hand or by the library that writes them."""

import io
from collections.abc import Sequence

import docx

PAGE = """\
<!DOCTYPE html>
<html><head><title>Manual</title><style>p { color: red }</style></head>
<body>
<nav><a href="/">Home</a></nav>
<h1>Reader</h1>
<p>A reader opens <b>files</b> &amp;
reads them.</p>
<h2>Open</h2>
<pre>
reader = open_reader(path)
    next(reader)
</pre>
<table><tr><th>flag</th><th>meaning</th></tr><tr><td>r</td><td><p>for reading</p></td></tr></table>
<h2>Close</h2>
<!-- nobody
sees this -->
<p>Closing a reader twice is no fault<br>of yours.</p>
<script>var hidden = "<p>no text</p>";</script>
</body></html>
"""


def pdf(pages: Sequence[str], *, more: bytes = b"", trailer: bytes = b"") -> bytes:
    """A PDF of one font; a page may have several lines. `more` are further objects, from 100 on."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (len(pages), b" ".join(b"%d 0 R" % (10 + 2 * n) for n in range(len(pages)))),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    for number, text in enumerate(pages):
        shown = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.split("\n")]
        drawn = b"BT /F1 12 Tf 72 720 Td 14 TL " + b" ".join(b"(%s) Tj T*" % line.encode("cp1252") for line in shown)
        content = drawn + b" ET"
        objects[10 + 2 * number] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (11 + 2 * number)
        )
        objects[11 + 2 * number] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)
    return assembled(objects, more, trailer)


def assembled(objects: dict[int, bytes], more: bytes = b"", trailer: bytes = b"") -> bytes:
    """The objects of a PDF with the table of where they are."""
    file = bytearray(b"%PDF-1.7\n")
    places = {}
    for number, body in objects.items():
        places[number] = len(file)
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    file += more
    start = len(file)
    file += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in places.items():
        file += b"%d 1\n%010d 00000 n \n" % (number, place)
    file += b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (max(objects) + 1, trailer, start)
    return bytes(file)


def word(*paragraphs: str | tuple[int, str] | list[list[str]]) -> bytes:
    """A DOCX of paragraphs, headings (level, text) and tables (rows of cells)."""
    document = docx.Document()
    for one in paragraphs:
        if isinstance(one, str):
            document.add_paragraph(one)
        elif isinstance(one, tuple):
            document.add_heading(one[1], one[0])
        else:
            table = document.add_table(len(one), len(one[0]))
            for row, cells in zip(table.rows, one, strict=True):
                for cell, text in zip(row.cells, cells, strict=True):
                    cell.text = text
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


MANUAL = word(
    (1, "Reader"),
    "A reader opens files.",
    (2, "Open"),
    "It opens them one after the other.",
    [["flag", "meaning"], ["r", "for reading"]],
    (2, "Close"),
    "Closing a reader twice is no fault.",
)
LEAFLET = pdf(["Reader\nA reader opens files.", "It opens them one\nafter the other.", "Closing twice is no fault."])
