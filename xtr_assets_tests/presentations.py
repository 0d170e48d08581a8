"""Small presentations, written part by part."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_C = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_D = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
_P = "http://schemas.openxmlformats.org/presentationml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MC = "http://schemas.openxmlformats.org/markup-compatibility/2006"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_NAMES = {"a": _A, "c": _C, "dgm": _D, "p": _P, "r": _R, "mc": _MC}
_SPACES = " ".join(f'xmlns:{name}="{one}"' for name, one in _NAMES.items())


@dataclass(frozen=True)
class Slide:
    """shapes : XML; notes : what the speaker is told; beside : XML by the name of the part that a shape refers to."""

    shapes: str
    notes: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)


def shape(*paragraphs: str, place: str = "") -> str:
    """A shape of paragraphs; `place` is what it holds the place of, as "title"."""
    held = f'<p:ph type="{place}"/>' if place else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="x"/><p:nvPr>{held}</p:nvPr></p:nvSpPr>'
        f"<p:txBody><a:bodyPr/>{''.join(map(drawn, paragraphs))}</p:txBody></p:sp>"
    )


def drawn(text: str) -> str:
    """A paragraph; each line of it ends with a break."""
    runs = (f"<a:r><a:t>{escape(line)}</a:t></a:r>" for line in text.split("\n"))
    return f"<a:p>{'<a:br/>'.join(runs)}</a:p>"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    cells = "".join(
        f"<a:tr>{''.join(f'<a:tc><a:txBody>{drawn(cell)}</a:txBody></a:tc>' for cell in row)}</a:tr>" for row in rows
    )
    return frame(f"<a:tbl>{cells}</a:tbl>")


def forms(first: str, second: str) -> str:
    """Something in the form of today, and in the one for old programs."""
    inside = f"<mc:Choice>{first}</mc:Choice><mc:Fallback>{second}</mc:Fallback>"
    return f"<mc:AlternateContent>{inside}</mc:AlternateContent>"


def frame(element: str) -> str:
    """A frame around what refers to another part."""
    return f"<p:graphicFrame><a:graphic><a:graphicData>{element}</a:graphicData></a:graphic></p:graphicFrame>"


def diagram(*points: str) -> str:
    """The data of a diagram."""
    told = "".join(f"<dgm:pt><dgm:t>{drawn(one)}</dgm:t></dgm:pt>" for one in points)
    return f"<dgm:dataModel {_SPACES}><dgm:ptLst>{told}</dgm:ptLst></dgm:dataModel>"


def chart(title: str, *categories: str) -> str:
    """A chart, whose categories are kept as words."""
    told = "".join(f'<c:pt idx="{n}"><c:v>{escape(one)}</c:v></c:pt>' for n, one in enumerate(categories))
    return (
        f"<c:chartSpace {_SPACES}><c:chart><c:title><c:tx><c:rich>{drawn(title)}</c:rich></c:tx></c:title>"
        f"<c:cat><c:strRef><c:strCache>{told}</c:strCache></c:strRef></c:cat>"
        "<c:val><c:numRef><c:numCache><c:pt><c:v>17</c:v></c:pt></c:numCache></c:numRef></c:val></c:chart></c:chartSpace>"
    )


def deck(slides: Sequence[Slide], order: Sequence[int] | None = None) -> bytes:
    """A presentation of these slides, shown in this order of their numbers from 1; parts are named by their place in
    `slides`."""
    parts: dict[str, str] = {"[Content_Types].xml": "<Types/>"}
    parts |= _related("", {"rId1": ("officeDocument", "ppt/presentation.xml")})
    numbers = range(1, len(slides) + 1)
    shown = "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in (numbers if order is None else order))
    # The sections that slides are put in name them by the same element.
    sections = "".join(f'<p:sldId id="{255 + n}"/>' for n in numbers)
    parts["ppt/presentation.xml"] = (
        f"<p:presentation {_SPACES}><p:sldIdLst>{shown}</p:sldIdLst>"
        f"<p:extLst><p:ext><p:section><p:sldIdLst>{sections}</p:sldIdLst></p:section></p:ext></p:extLst></p:presentation>"
    )
    parts |= _related("ppt/presentation.xml", {f"rId{n}": ("slide", f"slides/slide{n}.xml") for n in numbers})
    for number, one in enumerate(slides, 1):
        name = f"ppt/slides/slide{number}.xml"
        parts[name] = f"<p:sld {_SPACES}><p:cSld><p:spTree>{one.shapes}</p:spTree></p:cSld></p:sld>"
        related = {part: ("part", f"../parts/{number}{part}.xml") for part in one.beside}
        parts |= {f"ppt/parts/{number}{part}.xml": text for part, text in one.beside.items()}
        if one.notes:
            notes = shape(one.notes, place="body") + shape("7", place="sldNum")
            parts[f"ppt/notes{number}.xml"] = f"<p:notes {_SPACES}><p:spTree>{notes}</p:spTree></p:notes>"
            related["notes"] = ("notesSlide", f"../notes{number}.xml")
        parts |= _related(name, related)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(name, text)
    return file.getvalue()


def _related(name: str, targets: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    folder, _, own = name.rpartition("/")
    told = "".join(
        f'<Relationship Id="{one}" Type="{_R}/{kind}" Target="{target}"/>' for one, (kind, target) in targets.items()
    )
    return {f"{folder}/_rels/{own}.rels".lstrip("/"): f'<Relationships xmlns="{_RELATIONS}">{told}</Relationships>'}


DECK = deck(
    [
        Slide(shape("Reader", place="ctrTitle") + shape("A reader opens files.", "And closes them.")),
        Slide(
            shape("Ours", place="ftr") + shape("3", place="sldNum") + shape("Open\nand close", place="title")
            + f"<p:grpSp>{shape('It opens them one after the other.')}</p:grpSp>"
            + table([["flag", "meaning"], ["r", "for\nreading"]]),
            notes="Say why.",
        ),
        Slide(
            shape("Closing a reader twice is no fault.")
            + forms(shape("New form"), shape("Old form"))
        ),
        Slide(
            frame('<dgm:relIds r:dm="one"/>') + frame('<c:chart r:id="two"/>') + shape("Reader", place="title"),
            beside={"one": diagram("first open", "then close"), "two": chart("Files a day", "opened", "closed")},
        ),
    ],
)  # fmt: skip
