"""Small documents of every kind, written by hand or by the library that writes them."""

import io
import zipfile
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
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
DIGITS = "0123456789"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def said(text: str) -> str:
    """A run of a Word document."""
    return f"<w:r><w:t xml:space='preserve'>{text}</w:t></w:r>"


def paragraph(*inside: str) -> str:
    """A paragraph of runs and references."""
    return f"<w:p>{''.join(inside)}</w:p>"


def referred(number: int, kind: str = "footnote") -> str:
    """A reference to a note."""
    return f"<w:r><w:{kind}Reference w:id='{number}'/></w:r>"


def section(*parts: str) -> str:
    """The end of a section that has the headers and footers of these parts, `header1` or `footer1`."""
    inside = "".join(f"<w:{part.rstrip(DIGITS)}Reference w:type='default' r:id='{part}'/>" for part in parts)
    return f"<w:sectPr>{inside}</w:sectPr>"


def parts_docx(body: str, **parts: str) -> bytes:
    """A DOCX of this body and these parts beside it, as XML: `footnotes`, `endnotes`, `header1`, `footer1`, ..."""
    roots = {"footnotes": "footnotes", "endnotes": "endnotes", "header": "hdr", "footer": "ftr"}
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word("x"))) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name)
            if name == "word/document.xml":
                opening = text[text.index(b"<w:document") : text.index(b"<w:body>")]
                text = opening + f"<w:body>{body}</w:body></w:document>".encode()
            elif name == "word/_rels/document.xml.rels":
                more = "".join(
                    f"<Relationship Id='{part}' Type='{OFFICE}/{part.rstrip(DIGITS)}' Target='{part}.xml'/>"
                    for part in parts
                )
                text = text.replace(b"</Relationships>", more.encode() + b"</Relationships>")
            new.writestr(name, text)
        for part, inside in parts.items():
            root = roots[part.rstrip(DIGITS)]
            new.writestr(f"word/{part}.xml", f"<w:{root} xmlns:w='{_W}' xmlns:r='{OFFICE}'>{inside}</w:{root}>")
    return file.getvalue()


def note(number: int, text: str, kind: str = "footnote") -> str:
    """A note of one paragraph."""
    return f"<w:{kind} w:id='{number}'>{paragraph(said(text))}</w:{kind}>"


def row(*cells: str) -> str:
    """A table of one row."""
    return f"<w:tbl><w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr></w:tbl>"


# Notes of both kinds, in a table, twice referred to, in a box; two sections, of which the second has the header of the
# first, too.
NOTED = parts_docx(
    paragraph("<w:pPr><w:outlineLvl w:val='0'/></w:pPr>", said("Reader"), referred(2))
    + paragraph(said("One"), referred(5), said(" and two."), referred(3, "endnote"), referred(5))
    + row(paragraph(said("flag"), referred(6)), paragraph(said("meaning")))
    + paragraph(
        said("Around"),
        referred(7),
        f"<w:r><w:pict><w:txbxContent>{paragraph(said('in a box'), referred(8))}</w:txbxContent></w:pict></w:r>",
        f"<w:del>{referred(9)}</w:del>",
    )
    + paragraph(f"<w:pPr>{section('header1', 'footer1')}</w:pPr>", said("Its last."))
    + paragraph(said("Another section."))
    + section("header1", "header2"),
    footnotes=f"<w:footnote w:type='separator' w:id='0'>{paragraph()}</w:footnote>"
    + note(2, "Of the heading.")
    + note(5, "Of one.")
    + note(6, "Of a flag.")
    + note(7, "Around it.")
    + note(8, "Of a box.")
    + note(9, "Deleted.")
    + note(10, "Of nothing."),
    endnotes=note(3, "At the end.", "endnote"),
    header1=paragraph(said("Company manual")),
    header2=paragraph(said("Second part")) + paragraph(),
    footer1=row(paragraph(said("left")), paragraph(said("right"))),
)
