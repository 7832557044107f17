"""Diagrams of networks and losses as SVG: boxes in a grid, arrows with right angles, a legend.

A diagram is declared, see `Diagram`. Its colours are those of the players; losses are hexagons in
the colours of the players that they train.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH, COLUMN, ROW = 760, 76, 76  # pixels of the picture, and of the grid
FONT, LINE = 13, 17  # pixels of the letters, and of a line
PAD, POINT = 8, 11  # pixels beside the text of a box, and of the points of a hexagon
LEGEND = 34  # pixels of the legend's row
INK, GRAY = "#1b1f24", "#57606a"

# Fill and line of each player, and its name in the legend.
PLAYERS = {
    "": ("#f3f4f6", "#6e7781", "data"),
    "G": ("#d9f2dd", "#1a7f37", "generator"),
    "D": ("#d8e8fb", "#0a58b8", "discriminator"),
    "E": ("#fde8cf", "#b35900", "encoder"),
    "Q": ("#eadcfb", "#7a3fc4", "Q"),
    "A": ("#d9f2dd", "#1a7f37", "decoder"),
}
# Widths of letters, in units of the font's size: those of DejaVu Sans, a wide font.
EM = {
    **dict.fromkeys("ijlIJₜ′'", 0.29),
    **dict.fromkeys(" .,·:;|/f-", 0.35),
    **dict.fromkeys("t()[]!²r", 0.41),
    **dict.fromkeys("∥*szεcLkF", 0.57),
    **dict.fromkeys("wmW½", 0.97),
    **dict.fromkeys("GDOQHNU", 0.79),
    **dict.fromkeys("+−=<>≤→←×M", 0.86),
    "\u0302": 0.0,  # a combining circumflex
}
OTHERS = 0.7  # units, of letters that are not in EM


@dataclasses.dataclass(frozen=True)
class Box:
    """Network, array or loss.

    Attributes:
        key: name of the box in arrows and frames.
        x, y: place of its centre in the grid, in columns and rows.
        text: its lines.
        player: letters of the players that it belongs to, in PLAYERS; those that a loss trains.
        shape: "box", "loss" (a hexagon) or "operation" (rounded, white).
        width, height: pixels; 0: from the text.
    """

    key: str
    x: float
    y: float
    text: str
    player: str = ""
    shape: str = "box"
    width: int = 0
    height: int = 0

    @property
    def lines(self) -> list[str]:
        """Lines of the text."""
        return self.text.split("\n")

    @property
    def rectangle(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels."""
        points = POINT if self.shape == "loss" else 0
        width = self.width or max(map(text_width, self.lines)) + 2 * (PAD + points)
        height = self.height or len(self.lines) * LINE + 2 * PAD
        x, y = self.x * COLUMN, self.y * ROW
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2


@dataclasses.dataclass(frozen=True)
class Frame:
    """Dashed rectangle around boxes, with a label at its top.

    Attributes:
        key: name of the frame in arrows.
        boxes: keys of the boxes.
        label: text.
        player: letter of the player, in PLAYERS.
        right: whether the label is in the upper right corner instead of the left one.
    """

    key: str
    boxes: Sequence[str]
    label: str
    player: str = ""
    right: bool = False


@dataclasses.dataclass(frozen=True)
class Arrow:
    """Arrow with right angles from one box or frame to another.

    Attributes:
        start, end: keys.
        sides: side that it leaves and side that it enters: l, r, t or b.
        label: text at its longest segment: above a horizontal one, to the right of a vertical one.
        bend: place of its middle segment in the grid, a column or a row; None: in the middle.
        leave, enter: pixels by which the ends are moved along their sides, to the right or down;
            None for a straight arrow at the height or column of the other end.
        dashed: whether it is dashed: used after training only.
    """

    start: str
    end: str
    sides: str = "rl"
    label: str = ""
    bend: float | None = None
    leave: float | None = 0
    enter: float | None = 0
    dashed: bool = False


@dataclasses.dataclass(frozen=True)
class Diagram:
    """Diagram of a model.

    Attributes:
        name: name of the file, without its ending.
        title: text for readers without the picture.
        boxes, arrows, frames: content.
        note: lines below the legend; empty: none.
    """

    name: str
    title: str
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    frames: Sequence[Frame] = ()
    note: str = ""

    def rectangle(self, key: str) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of a box or a frame in pixels."""
        for box in self.boxes:
            if box.key == key:
                return box.rectangle
        (frame,) = (frame for frame in self.frames if frame.key == key)
        left, top, right, bottom = zip(*map(self.rectangle, frame.boxes), strict=True)
        return min(left) - PAD, min(top) - LINE - PAD, max(right) + PAD, max(bottom) + PAD

    def points(self, arrow: Arrow) -> list[tuple[float, float]]:
        """Return the corners of an arrow in pixels, with both ends."""
        out, into = arrow.sides
        x, y = end_on(self.rectangle(arrow.start), out, arrow.leave or 0)
        to_x, to_y = end_on(self.rectangle(arrow.end), into, arrow.enter or 0)
        if arrow.leave is None:
            x, y = (x, to_y) if out in "lr" else (to_x, y)
        if arrow.enter is None:
            to_x, to_y = (to_x, y) if into in "lr" else (x, to_y)
        if out in "lr" and into in "lr":
            middle = (x + to_x) / 2 if arrow.bend is None else arrow.bend * COLUMN
            corners = [(middle, y), (middle, to_y)] if y != to_y else []
        elif out in "tb" and into in "tb":
            middle = (y + to_y) / 2 if arrow.bend is None else arrow.bend * ROW
            corners = [(x, middle), (to_x, middle)] if x != to_x else []
        else:
            corners = [(to_x, y) if out in "lr" else (x, to_y)]
        return [(x, y), *corners, (to_x, to_y)]

    def label_place(self, arrow: Arrow) -> tuple[float, float, str]:
        """Return the place of an arrow's label, x and the baseline y in pixels, and its anchor."""
        points = self.points(arrow)
        segments = list(itertools.pairwise(points))
        (x, y), (to_x, to_y) = max(segments, key=lambda ends: math.dist(*ends))
        if y == to_y:
            return (x + to_x) / 2, y - 6, "middle"
        return x + 6, (y + to_y) / 2 + 5, "start"

    @property
    def height(self) -> int:
        """Height of the picture in pixels."""
        keys = [part.key for part in (*self.boxes, *self.frames)]
        corners = [y for arrow in self.arrows for _, y in self.points(arrow)]
        lowest = max([*(self.rectangle(key)[3] for key in keys), *corners])
        return round(lowest + 12 + LEGEND + self.note_height)

    @property
    def note_height(self) -> int:
        """Height of the note in pixels."""
        return len(self.note.split("\n")) * LINE + 2 if self.note else 0

    @property
    def players(self) -> list[str]:
        """Letters of the players in the diagram, in the order of PLAYERS."""
        found = {player for box in self.boxes for player in box.player or [""]}
        return [player for player in PLAYERS if player in found]


def end_on(rectangle: Sequence[float], side: str, moved: float) -> tuple[float, float]:
    """Return the point in the middle of a side of a rectangle, moved along the side."""
    left, top, right, bottom = rectangle
    if side in "lr":
        return (left if side == "l" else right), (top + bottom) / 2 + moved
    return (left + right) / 2 + moved, (top if side == "t" else bottom)


def text_width(text: str) -> int:
    """Return the width of a line in pixels, at least that in a wide font."""
    return math.ceil(FONT * sum(EM.get(letter, OTHERS) for letter in text))


def number(value: float) -> str:
    """Return a number of pixels as text."""
    return f"{value:.1f}".removesuffix(".0")


def svg(diagram: Diagram) -> str:
    """Return the SVG of a diagram, as text that ends with a line break."""
    height = diagram.height
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="sans-serif" '
        f'font-size="{FONT}" fill="{INK}">',
        f"<title>{escape(diagram.title)}</title>",
        f'<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="{GRAY}"/></marker>',
        *(gradient(mixed) for mixed in sorted({b.player for b in diagram.boxes if b.player[1:]})),
        "</defs>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for frame in diagram.frames:
        lines += frame_lines(frame, diagram.rectangle(frame.key))
    for arrow in diagram.arrows:
        lines += arrow_lines(diagram, arrow)
    for box in diagram.boxes:
        lines += box_lines(box)
    lines += legend_lines(diagram, height)
    return "\n".join([*lines, "</svg>"]) + "\n"


def gradient(players: str) -> str:
    """Return the definition of a fill in the colours of several players, in equal parts."""
    stops = ""
    for k, player in enumerate(players):
        for end in (k, k + 1):
            offset = number(100 * end / len(players))
            stops += f'<stop offset="{offset}%" stop-color="{PLAYERS[player][0]}"/>'
    return f'<linearGradient id="{players}">{stops}</linearGradient>'


def frame_lines(frame: Frame, rectangle: Sequence[float]) -> list[str]:
    """Return the elements of a frame."""
    left, top, right, bottom = rectangle
    line = PLAYERS[frame.player][1]
    x, anchor = (right - PAD, "end") if frame.right else (left + PAD, "start")
    return [
        f'<rect x="{number(left)}" y="{number(top)}" width="{number(right - left)}" '
        f'height="{number(bottom - top)}" rx="8" fill="none" stroke="{line}" '
        'stroke-dasharray="5 4"/>',
        f'<text x="{number(x)}" y="{number(top + LINE - 1)}" text-anchor="{anchor}" '
        f'fill="{line}">{escape(frame.label)}</text>',
    ]


def arrow_lines(diagram: Diagram, arrow: Arrow) -> list[str]:
    """Return the elements of an arrow."""
    path = "L".join(f"{number(x)} {number(y)}" for x, y in diagram.points(arrow))
    dashes = ' stroke-dasharray="4 4"' if arrow.dashed else ""
    lines = [
        f'<path d="M{path}" fill="none" stroke="{GRAY}" stroke-width="1.5"{dashes} '
        'marker-end="url(#head)"/>'
    ]
    if arrow.label:
        x, y, anchor = diagram.label_place(arrow)
        lines.append(
            f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}">'
            f"{escape(arrow.label)}</text>"
        )
    return lines


def box_lines(box: Box) -> list[str]:
    """Return the elements of a box."""
    left, top, right, bottom = box.rectangle
    fill, line, _ = PLAYERS[box.player[:1]]
    if len(box.player) > 1:
        fill = f"url(#{box.player})"
    look = f'fill="{fill}" stroke="{line}" stroke-width="1.5"'
    if box.shape == "loss":
        middle = (top + bottom) / 2
        corners = [
            (left, middle), (left + POINT, top), (right - POINT, top),
            (right, middle), (right - POINT, bottom), (left + POINT, bottom),
        ]  # fmt: skip
        points = " ".join(f"{number(x)},{number(y)}" for x, y in corners)
        lines = [f'<polygon points="{points}" {look}/>']
    else:
        if box.shape == "operation":
            look = look.replace(fill, "white", 1)
        radius = 16 if box.shape == "operation" else 4
        lines = [
            f'<rect x="{number(left)}" y="{number(top)}" width="{number(right - left)}" '
            f'height="{number(bottom - top)}" rx="{radius}" {look}/>'
        ]
    first = (top + bottom) / 2 - (len(box.lines) - 1) * LINE / 2 + 5
    return lines + [
        f'<text x="{number((left + right) / 2)}" y="{number(first + k * LINE)}" '
        f'text-anchor="middle">{escape(text)}</text>'
        for k, text in enumerate(box.lines)
    ]


def legend_lines(diagram: Diagram, height: int) -> list[str]:
    """Return the elements of the legend: a field per player, the hexagon, and the note."""
    middle = height - LEGEND / 2 - diagram.note_height
    lines, x = [], float(PAD)
    for player in diagram.players:
        fill, line, name = PLAYERS[player]
        lines += [
            f'<rect x="{number(x)}" y="{number(middle - 7)}" width="18" height="14" rx="3" '
            f'fill="{fill}" stroke="{line}"/>',
            f'<text x="{number(x + 24)}" y="{number(middle + 5)}" fill="{GRAY}">{name}</text>',
        ]
        x += 24 + text_width(name) + 14
    points = ((0, 0), (5, -7), (15, -7), (20, 0), (15, 7), (5, 7))
    corners = " ".join(f"{number(x + a)},{number(middle + b)}" for a, b in points)
    lines += [
        f'<polygon points="{corners}" fill="white" stroke="{GRAY}"/>',
        f'<text x="{number(x + 26)}" y="{number(middle + 5)}" fill="{GRAY}">'
        "loss, coloured by what it trains</text>",
    ]
    for k, text in enumerate(reversed(diagram.note.split("\n")) if diagram.note else ()):
        lines.append(
            f'<text x="{PAD}" y="{number(height - 8 - (k + 0.3) * LINE)}" fill="{GRAY}">'
            f"{escape(text)}</text>"
        )
    return lines
