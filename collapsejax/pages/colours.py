"""Colours of figures, and those that take their place on a dark ground."""

from __future__ import annotations

import numpy as np

DARK_GROUND, DARK_INK = "#17191d", "#e9eaec"
_DARKEST, _LIGHTEST = 0.62, 0.92  # lightness on dark of colours that are black and white on white
_COLOURFUL = 0.06  # chroma from which on a colour is none of the greys
# Björn Ottosson, "A perceptual color space for image processing" (2020): from linear sRGB to cone responses, and from
# their cube roots to lightness, green-red and blue-yellow.
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def on_dark(colour: str) -> str:
    """The colour, of the same hue, that takes the place of `colour`, "#rrggbb" on white, on a dark ground.

    White becomes `DARK_GROUND`, black `DARK_INK`, and greys lie between them in turned order. Colours become light,
    the dark ones less so than the light ones: all stand out.
    """
    lightness, *hue = _oklab(colour)
    ground, ink = _oklab(DARK_GROUND), _oklab(DARK_INK)
    grey = ink + (ground - ink) * lightness  # neither is quite grey
    light = np.array([_DARKEST + (_LIGHTEST - _DARKEST) * lightness, 0.0, 0.0])
    colourful = min(1.0, np.hypot(*hue) / _COLOURFUL)
    return _hexadecimal(grey + (light - grey) * colourful + np.array([0.0, *hue]))


def _oklab(colour: str) -> np.ndarray:
    encoded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return _TO_OKLAB @ np.cbrt(_TO_CONES @ linear)


def _hexadecimal(oklab: np.ndarray) -> str:
    linear = np.clip(np.linalg.solve(_TO_CONES, np.linalg.solve(_TO_OKLAB, oklab) ** 3), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * part):02x}" for part in encoded)
