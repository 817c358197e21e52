"""Pictures of drawn content: each kind has a look, which films of one family share.

picture = PICTURES["slides"](look, film, 4)          # (640, 360): the fifth picture of a film

``look`` and ``film`` make generators of random numbers by name: ``look("colour")`` gives the same
numbers in all films of a family, ``film("title", 3)`` only in one film.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 640, 360
Numbers = Callable[..., np.random.Generator]
_Colour = tuple[int, ...]

# fmt: off
_WORDS = [
    "matrix", "vector", "kernel", "entropy", "lattice", "photon", "gradient", "tensor", "prior",
    "sample", "field", "group", "ring", "cell", "enzyme", "treaty", "empire", "inflation",
    "supply", "verb", "clause", "harbour", "glacier", "bridge", "valve", "piston", "anthem",
    "fresco", "river", "market", "election", "storm", "league", "budget", "orchard", "signal",
    "tunnel", "castle", "forge", "compass",
]
# fmt: on
_PIECES = "KQRBNPkqrbnp"


@functools.lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _words(random: np.random.Generator, low: int, high: int) -> str:
    return " ".join(random.choice(_WORDS, int(random.integers(low, high + 1))))


def _colour(random: np.random.Generator, low: int = 0, high: int = 256) -> _Colour:
    return tuple(int(value) for value in random.integers(low, high, 3))


def _canvas(colour: _Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (WIDTH, HEIGHT), colour)
    return picture, ImageDraw.Draw(picture)


def slides(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A lecture: a slide every three pictures."""
    slide = number // 3
    random = film("slide", slide)
    picture, draw = _canvas((255, 255, 255))
    bar = int(look("bar").integers(36, 60))
    draw.rectangle((0, 0, WIDTH, bar), fill=_colour(look("colour"), 0, 150))
    draw.text(
        (16, bar / 2), _words(random, 2, 4).title(), fill="white", font=_font(24), anchor="lm"
    )
    draw.text((16, 338), _words(look("footer"), 3, 3), fill="grey", font=_font(12))
    draw.text((600, 338), str(slide + 1), fill="grey", font=_font(12))
    top = bar + 16
    for _ in range(int(random.integers(2, 7))):
        text = f"- {_words(random, 2, 6)}"
        draw.text((30 + 25 * int(random.integers(2)), top), text, fill="black", font=_font(18))
        top += int(random.choice((32, 40)))
    if slide % 2:
        for column in range(int(random.integers(4, 8))):
            left, high = 330 + 36 * column, int(random.integers(20, 150))
            draw.rectangle((left, 320 - high, left + 24, 320), fill=_colour(random))
    return picture


def shell(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A recording of a shell: a line more in every picture, then scrolling."""
    picture, draw = _canvas(_colour(look("ground"), 0, 50))
    prompt, ink = _words(look("prompt"), 1, 1), _colour(look("ink"), 150, 256)
    shown = range(max(0, number - 12), number + 5)
    for row, line in enumerate(shown):
        random = film("line", line)
        text = _words(random, 1, 6).replace(" ", str(random.choice((" ", "/", " -", "."))))
        mark = f"{prompt}$ " if random.random() < 0.4 else ""
        draw.text((6, 4 + 20 * row), mark + text, fill=ink, font=_font(17))
    return picture


def scoreboard(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A league's table: teams, numbers that change, a clock."""
    picture, draw = _canvas(_colour(look("ground"), 0, 90))
    ink, rows = _colour(look("ink"), 170, 256), 8
    draw.rectangle((0, 0, WIDTH, 46), fill=_colour(look("bar"), 60, 200))
    draw.text(
        (20, 23), _words(film("title"), 2, 3).upper(), fill="white", font=_font(24), anchor="lm"
    )
    draw.text((560, 10), f"{number // 60:02}:{number % 60:02}", fill="white", font=_font(22))
    for row in range(rows):
        top = 58 + 36 * row
        if row % 2:
            draw.rectangle((0, top - 4, WIDTH, top + 30), fill=_colour(look("stripe"), 30, 120))
        draw.text((24, top), _words(film("team", row), 1, 2).title(), fill=ink, font=_font(19))
        for column in range(5):
            value = int(film("value", row, column, number // (2 + column)).integers(0, 100))
            draw.text((300 + 68 * column, top), f"{value}", fill=ink, font=_font(19))
    return picture


def weather_map(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A forecast: one map, other fronts, temperatures and clouds every two pictures."""
    picture, draw = _canvas(_colour(look("sea"), 60, 140))
    shape = look("coast")
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    radii = shape.uniform(0.65, 1.0, 24)
    coast = [
        (320 + 280 * r * math.cos(a), 180 + 165 * r * math.sin(a))
        for a, r in zip(angles, radii, strict=True)
    ]
    draw.polygon(coast, fill=_colour(look("land"), 90, 200), outline="white", width=3)
    places = look("towns").uniform((90, 50), (550, 320), (9, 2))
    hour = film("hour", number // 2)
    for x, y in hour.uniform((80, 40), (560, 320), (7, 2)):
        for dx, dy in ((-22, 4), (0, -8), (20, 4)):
            draw.ellipse((x + dx - 20, y + dy - 13, x + dx + 20, y + dy + 13), fill=(225, 230, 235))
    for town, (x, y) in enumerate(places):
        draw.text((x, y), _words(look("town", town), 1, 1).title(), fill="black", font=_font(13))
        draw.text((x, y + 12), f"{int(hour.integers(-9, 35))}°", fill="red", font=_font(26))
    front = hour.uniform((60, 30), (580, 330), (5, 2))
    draw.line([(float(x), float(y)) for x, y in front], fill="blue", width=4, joint="curve")
    draw.text((16, 12), _words(hour, 2, 2).title(), fill="white", font=_font(22))
    return picture


def chess(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A game on a board: a move every two pictures, and the list of moves."""
    picture, draw = _canvas(_colour(look("ground"), 20, 90))
    light, dark = _colour(look("light"), 190, 245), _colour(look("dark"), 70, 150)
    side = 42
    for square in range(64):
        x, y = 12 + side * (square % 8), 12 + side * (square // 8)
        draw.rectangle(
            (x, y, x + side, y + side), fill=light if (square + square // 8) % 2 == 0 else dark
        )
    random = film("opening")
    squares = list(random.permutation(64)[: int(random.integers(12, 26))])
    pieces = [str(piece) for piece in random.choice(list(_PIECES), len(squares))]
    for move in range(number // 2 + 1):
        random = film("move", move)
        target = int(random.integers(64))
        if target not in squares:
            squares[int(random.integers(len(squares)))] = target
        text = f"{move + 1}. {pieces[move % len(pieces)]}{'abcdefgh'[target % 8]}{target // 8 + 1}"
        draw.text(
            (370 + 90 * (move // 14), 16 + 23 * (move % 14)), text, fill="white", font=_font(16)
        )
    for square, piece in zip(squares, pieces, strict=True):
        x, y = 33 + side * (square % 8), 33 + side * (square // 8)
        is_white = piece.isupper()
        fill, ink = ("white", "black") if is_white else ("black", "white")
        draw.ellipse((x - 17, y - 17, x + 17, y + 17), fill=fill, outline="grey", width=2)
        draw.text((x, y), piece.upper(), fill=ink, font=_font(24), anchor="mm")
    return picture


def sheet_music(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A score that is played along: a page every six pictures, a moving mark."""
    picture, draw = _canvas(_colour(look("paper"), 235, 256))
    page, staves = number // 6, 4
    gap = int(look("gap").integers(7, 10))
    draw.text(
        (320, 18), _words(film("title"), 2, 4).title(), fill="black", font=_font(20), anchor="mm"
    )
    for stave in range(staves):
        random, top = film("stave", page, stave), 50 + 78 * stave
        for line in range(5):
            draw.line((20, top + gap * line, 620, top + gap * line), fill="black")
        for bar in (20, 170, 320, 470, 620):
            draw.line((bar, top, bar, top + 4 * gap), fill="black", width=2)
        x = 34.0
        while x < 606:
            y = top + gap * int(random.integers(-2, 11)) / 2
            is_full = random.random() < 0.7
            draw.ellipse(
                (x - 5, y - 4, x + 5, y + 4),
                fill="black" if is_full else None,
                outline="black",
                width=2,
            )
            draw.line((x + 5, y, x + 5, y - 26), fill="black", width=2)
            x += float(random.choice((18, 26, 38)))
    place = 50 + 78 * (number % 6 * staves // 6)
    draw.rectangle(
        (14, place - 12, 626, place + 4 * gap + 12), outline=_colour(look("mark")), width=2
    )
    return picture


def news(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A news channel: a report in a window, a headline, a ticker that runs."""
    picture, draw = _canvas(_colour(look("ground"), 20, 110))
    report = film("report", number // 4)
    for _ in range(14):
        x, y = report.uniform((30, 20), (590, 230))
        w, h = report.uniform(30, 170, 2)
        box = (x, y, min(x + w, 620), min(y + h, 262))
        draw_shape = draw.rectangle if report.random() < 0.5 else draw.ellipse
        draw_shape(box, fill=_colour(report))
    draw.rectangle((20, 12, 620, 264), outline="white", width=4)
    draw.rectangle((0, 270, WIDTH, 318), fill=_colour(look("bar"), 90, 200))
    draw.text((130, 294), _words(report, 3, 5).upper(), fill="white", font=_font(21), anchor="lm")
    draw.rectangle((0, 270, 112, 318), fill="white")
    draw.text(
        (56, 294), _words(look("channel"), 1, 1).upper(), fill="red", font=_font(17), anchor="mm"
    )
    draw.rectangle((0, 318, WIDTH, HEIGHT), fill="black")
    ticker = " +++ ".join(_words(film("ticker", item), 3, 6) for item in range(12))
    draw.text((20 - 55 * number, 338), ticker, fill="white", font=_font(19), anchor="lm")
    return picture


def spreadsheet(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A sheet of a program for tables: one grid, a few cells more in every picture."""
    picture, draw = _canvas((255, 255, 255))
    columns, rows, wide, high = 7, 13, 84, 22
    draw.rectangle((0, 0, WIDTH, 44), fill=_colour(look("ribbon"), 30, 150))
    for tab in range(5):
        draw.text((16 + 90 * tab, 10), _words(look("tab", tab), 1, 1), fill="white", font=_font(14))
    draw.rectangle((0, 44, WIDTH, 64), fill=(225, 225, 225))
    for row in range(rows):
        top = 64 + high * row
        draw.text((8, top + 4), str(row + 1), fill="grey", font=_font(12))
        draw.line((0, top, WIDTH, top), fill=(200, 200, 200))
    for column in range(columns):
        left = 40 + wide * column
        draw.text((left + 36, 47), "ABCDEFG"[column], fill="grey", font=_font(12))
        draw.line((left, 44, left, HEIGHT), fill=(200, 200, 200))
        draw.text((left + 4, 67), _words(look("head", column), 1, 1), fill="black", font=_font(13))
    filled = 6 + int(look("pace").integers(2, 5)) * number
    for cell in range(min(filled, columns * (rows - 1))):
        row, column = 1 + cell // columns, cell % columns
        value = int(film("cell", cell).integers(10, 10_000))
        left, top = 40 + wide * column, 64 + high * row
        draw.text((left + 78, top + 4), f"{value}", fill="black", font=_font(13), anchor="ra")
    row, column = 1 + filled // columns, filled % columns
    left, top = 40 + wide * column, 64 + high * row
    draw.rectangle((left, top, left + wide, top + high), outline="green", width=2)
    return picture


def bar_race(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A chart whose bars grow and overtake each other."""
    picture, draw = _canvas(_colour(look("ground"), 225, 256))
    draw.text((20, 14), _words(film("title"), 2, 4).title(), fill="black", font=_font(24))
    draw.text((560, 320), str(1990 + number), fill="grey", font=_font(30), anchor="mm")
    values = {}
    for bar in range(8):
        growth = film("growth", bar).uniform(2, 12)
        values[bar] = film("start", bar).uniform(10, 60) + growth * number
    longest = max(values.values())
    for place, bar in enumerate(sorted(values, key=lambda each: -values[each])):
        top, wide = 54 + 36 * place, 380 * values[bar] / longest
        draw.rectangle((120, top, 120 + wide, top + 28), fill=_colour(look("bar", bar), 60, 220))
        draw.text(
            (112, top + 14),
            _words(film("name", bar), 1, 1).title(),
            fill="black",
            font=_font(15),
            anchor="rm",
        )
        draw.text((126 + wide, top + 5), f"{values[bar]:.1f}", fill="black", font=_font(15))
    return picture


def menu(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """A game's menus: a page every four pictures, another item chosen in each."""
    picture, draw = _canvas(_colour(look("ground"), 10, 80))
    page = film("page", number // 4)
    shapes = look("shapes")
    for _ in range(10):
        x, y, size = shapes.uniform((0, 0, 30), (WIDTH, HEIGHT, 120))
        draw.regular_polygon(
            (x, y, size), int(shapes.integers(3, 7)), fill=_colour(shapes, 20, 110)
        )
    draw.text(
        (320, 36), _words(look("game"), 2, 2).upper(), fill="gold", font=_font(34), anchor="mm"
    )
    panel = _colour(look("panel"), 60, 150)
    for item in range(6):
        top = 74 + 44 * item
        is_chosen = item == number % 6
        draw.rounded_rectangle((40, top, 300, top + 36), 8, fill="gold" if is_chosen else panel)
        ink = "black" if is_chosen else "white"
        draw.text(
            (170, top + 18), _words(page, 1, 2).title(), fill=ink, font=_font(18), anchor="mm"
        )
    draw.rounded_rectangle((330, 74, 610, 330), 8, fill=panel)
    for line in range(8):
        draw.text((346, 84 + 30 * line), _words(page, 1, 3), fill="white", font=_font(16))
        draw.rectangle(
            (500, 88 + 30 * line, 500 + int(page.integers(10, 100)), 100 + 30 * line), fill="gold"
        )
    return picture


def studio(look: Numbers, film: Numbers, number: int) -> Image.Image:
    """Two takes of one set: the same wall, desk and lamps; another guest, who moves, and screen."""
    picture, draw = _canvas(_colour(look("wall"), 60, 150))
    shapes = look("wall shapes")
    for _ in range(16):
        x, y, w, h = shapes.uniform((0, 0, 20, 15), (WIDTH, 240, 130, 110))
        draw.rectangle((x, y, x + w, y + h), fill=_colour(shapes, 40, 190))
    screen = film("screen", number // 5)
    draw.rectangle((400, 40, 610, 170), fill=_colour(screen, 0, 120), outline="black", width=5)
    for line in range(5):
        draw.text((412, 50 + 23 * line), _words(screen, 2, 3), fill="white", font=_font(15))
    guest = film("guest")
    moved = film("moved", number).uniform(-14, 14, 4)
    x, y = guest.uniform(170, 300) + moved[0], guest.uniform(115, 150) + moved[1]
    skin, coat = _colour(guest, 110, 230), _colour(guest, 20, 220)
    draw.ellipse((x - 85, y + 50, x + 85, y + 260), fill=coat)
    draw.ellipse((x - 38, y - 50, x + 38, y + 55), fill=skin)
    draw.pieslice((x - 42, y - 58, x + 42, y + 30), 180, 360, fill=_colour(guest, 0, 120))
    for eye in (-15, 15):
        draw.ellipse((x + eye - 5, y - 4, x + eye + 5, y + 4), fill="black")
    draw.ellipse((x - 14, y + 22, x + 14, y + 26 + abs(moved[2])), fill="darkred")
    hand_x, hand_y = x + 70 + 3 * moved[2], y + 130 + 3 * moved[3]
    draw.ellipse((hand_x - 18, hand_y - 18, hand_x + 18, hand_y + 18), fill=skin)
    draw.rectangle((0, 285, WIDTH, HEIGHT), fill=_colour(look("desk"), 30, 120))
    draw.text(
        (320, 322), _words(look("show"), 2, 2).upper(), fill="white", font=_font(26), anchor="mm"
    )
    return picture


PICTURES: dict[str, Callable[[Numbers, Numbers, int], Image.Image]] = {
    "slides": slides,
    "shell": shell,
    "scoreboard": scoreboard,
    "weather_map": weather_map,
    "chess": chess,
    "sheet_music": sheet_music,
    "news": news,
    "menu": menu,
    "spreadsheet": spreadsheet,
    "bar_race": bar_race,
    "studio": studio,
}
"""A picture of a second by kind of content."""
