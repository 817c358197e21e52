"""An explanation as a document and as a picture.

Path("why.png").write_bytes(explanation_picture(explanation))
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vidseek.core.types import Explanation


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON has it, without the frame's pixels."""
    return {
        "path": str(explanation.video.path),
        "text": explanation.text,
        "seconds": round(explanation.seconds, 3),
        "score": round(explanation.score, 4),
        "clip": {
            "start_seconds": round(explanation.clip.start_seconds, 3),
            "end_seconds": round(explanation.clip.end_seconds, 3),
            "score": round(explanation.clip_score, 4),
            "rest": round(explanation.rest, 4),
        },
        "area": [round(side, 4) for side in explanation.area],
        "maps": [
            {
                "word": each.word,
                "score": round(each.score, 4),
                "peak": [round(share, 4) for share in each.peak],
                "cells": np.round(each.cells.astype(float), 4).tolist(),
            }
            for each in explanation.maps
        ],
        "frames": [
            {
                "seconds": round(each.seconds, 3),
                "score": round(each.score, 4),
                "additive": round(each.additive, 4),
                "dot_product": round(each.dot_product, 4),
                "heads": [round(weight, 4) for weight in each.heads],
            }
            for each in explanation.frames
        ],
        "curve": [
            {
                "start_seconds": round(span.start_seconds, 3),
                "end_seconds": round(span.end_seconds, 3),
                "score": round(score, 4),
            }
            for span, score in explanation.curve
        ],
    }


def explanation_picture(explanation: Explanation) -> bytes:
    """The explanation drawn: maps over the frame, the curve, the weights of frames.

    Returns:
        A PNG file.
    """
    from vidseek.exports.explanation_drawing import Drawing

    return Drawing(explanation).png()
