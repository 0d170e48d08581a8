"""PDFs of one page of every kind that readers may read in two ways, written by hand."""

import io

from pypdf import PdfWriter

from xtr_assets_tests.documents import assembled, pdf

HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
CID = b"<< /Type /Font /Subtype /Type0 /BaseFont /Arial /Encoding /Identity-H /DescendantFonts [40 0 R] %s>>"
OF_CID = (
    b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Arial "
    b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 600 >>"
)
TABLE = (
    b"/CIDInit /ProcSet findresource begin begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange "
    b"5 beginbfchar <0041> <4E2D> <0042> <00660069> <0043> <D83DDE00> <0044> <0639> <0045> <0308> endbfchar endcmap end"
)
TYPE3 = (
    b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 10 10] /FontMatrix [0.1 0 0 0.1 0 0] /Widths [10 10] "
    b"/CharProcs << /x1 42 0 R /x2 42 0 R >> /Encoding << /Differences [97 /x1 /x2] >> /FirstChar 97 /LastChar 98 >>"
)
FIELD = (
    b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ada) /Rect [120 690 300 710] /P 10 0 R /DA (/F1 12 Tf) "
    b"/AP << /N 31 0 R >> >>"
)
INSIDE = b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
AT = b"BT /F1 12 Tf 72 700 Td "


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)


def drawn(
    content: bytes,
    *,
    font: bytes = HELVETICA,
    page: bytes = b"",
    catalog: bytes = b"",
    more: dict[int, bytes] | None = None,
) -> bytes:
    """A page with this content; `page` and `catalog` are further entries, `more` further objects."""
    used = b"/Resources << /Font << /F1 3 0 R >> /XObject << /X 20 0 R >> >>"
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalog,
        2: b"<< /Type /Pages /Count 1 /Kids [10 0 R] >>",
        3: font,
        10: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %s /Contents 11 0 R %s >>" % (used, page),
        11: stream(content),
    }
    return assembled({**objects, **(more or {})})


def locked(algorithm: str) -> bytes:
    """Encrypted so that it cannot be printed, with no password to read it."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf(["A page that cannot be printed."])))
    writer.encrypt("", "owner", algorithm=algorithm)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


# Both readers tell the same letters of these.
AGREED = {
    "columns": drawn(
        b"".join(
            b"BT /F1 12 Tf %d %d Td (column %d line %d) Tj ET " % (72 + 250 * column, 700 - 14 * line, column, line)
            for line in range(20)
            for column in range(2)
        )
    ),
    "ligatures": drawn(
        AT + b"(\x01nd the \x02ow of o\x03ces) Tj ET",
        font=b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica "
        b"/Encoding << /BaseEncoding /WinAnsiEncoding /Differences [1 /fi /fl /ffi] >> >>",
    ),
    "text rotated": drawn(b"BT /F1 12 Tf 0 1 -1 0 300 300 Tm (up) Tj 0.7 0.7 -0.7 0.7 300 300 Tm (aslant) Tj ET"),
    "page rotated": drawn(AT + b"(a table on its side) Tj ET", page=b"/Rotate 90"),
    "encrypted, RC4": locked("RC4-128"),
    "encrypted, AES": locked("AES-256"),
    "an empty page": pdf(["first", "", "third"]),
    "form fields": drawn(
        AT + b"(Name:) Tj ET",
        page=b"/Annots [30 0 R]",
        catalog=b"/AcroForm << /Fields [30 0 R] /DA (/F1 12 Tf) /DR << /Font << /F1 3 0 R >> >> >>",
        more={30: FIELD, 31: stream(b"BT /F1 12 Tf 2 5 Td (Ada) Tj ET", INSIDE)},
    ),
    "a drawing in it": drawn(
        AT + b"(outside) Tj ET /X Do", more={20: stream(b"BT /F1 12 Tf 72 600 Td (inside) Tj ET", INSIDE)}
    ),
    "recognized": drawn(b"BT /F1 12 Tf 3 Tr 72 700 Td (invisible, under a picture) Tj ET"),
    "off the page": drawn(AT + b"(on it) Tj 2000 0 Td (far off) Tj ET"),
    "hyphens": drawn(AT + b"14 TL (a hyphen at the con-) Tj T* (tinued end and trans\xadport) Tj ET"),
    "kerned": drawn(AT + b"[(W) 80 (A) 60 (V) -300 (E) -20 (S)] TJ ET"),
    "spaced": drawn(AT + b"10 Tc (s p a c e d out) Tj ET"),
    "accents": drawn(AT + b"(na\xefve caf\xe9 \x80 \x93q\x94 \x85 \xbd \xb2) Tj ET"),
    "a table of letters": drawn(
        AT + b"<00410042004300440045> Tj ET", font=CID % b"/ToUnicode 41 0 R ", more={40: OF_CID, 41: stream(TABLE)}
    ),
    "symbols": drawn(AT + b"(abg) Tj ET", font=b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"),
    "a superscript": drawn(AT + b"(E=mc) Tj 5 Ts 8 0 Td (2) Tj ET"),
    "a layer": drawn(b"/OC /L BDC " + AT + b"(on a layer) Tj ET EMC"),
    "clipped": drawn(b"q 0 0 10 10 re W n " + AT + b"(clipped away) Tj ET Q BT /F1 12 Tf 72 600 Td (shown) Tj ET"),
    "fewer pages than there are": pdf(["one", "two", "three"]).replace(b"/Count 3", b"/Count 1"),
    "more pages than there are": pdf(["one", "two", "three"]).replace(b"/Count 3", b"/Count 7"),
    "what stands before it": b"junk\n" * 20 + pdf(["after the junk"]),
}
# Of these they tell something else, and neither is wrong.
UNTOLD = {
    "drawn twice for bold": drawn(AT + b"(bold words) Tj 0.3 0 Td (bold words) Tj ET"),
    "a font without a table": drawn(AT + b"<004100420043> Tj ET", font=CID % b"", more={40: OF_CID}),
    "drawn letters": drawn(AT + b"(ab) Tj ET", font=TYPE3, more={42: stream(b"10 0 d0 0 0 8 8 re f")}),
    "other words beside it": drawn(b"/Span << /ActualText (fine) >> BDC " + AT + b"(f ne) Tj ET EMC"),
    "of no size": drawn(b"BT /F1 0 Tf 72 700 Td (no size) Tj ET"),
}
# pypdf takes the numbers of its glyphs for letters.
UNREADABLE = drawn(
    AT + b"<0041004200430044> Tj ET",
    font=CID % b"",
    more={40: OF_CID.replace(b"(Identity)", b"(Japan1)")},
)
