"""Blending benchmark: the seam metric, and the summary."""

import numpy as np

from dancenow.face.blending import BLEND_METHODS, Blender
from dancenow.face.face_crop import crop_face
from dancenow.face.face_tracking import face_boxes
from dancenow.research.bench import blending
from helpers.drawn_world import dancer_track


def test_a_seam_is_measured_and_an_unchanged_frame_has_none() -> None:
    track = dancer_track(6, body_px=420, size_px=512)
    faces, frame = face_boxes(track), np.full((512, 512, 3), 90, np.uint8)
    frame[:, 200:] = 120
    face = crop_face(frame, faces.crop(0))
    assert blending._measure_blend(frame, frame, face, faces, 0)["seam"] == 0
    lit = np.clip(face.astype(int) + 30, 0, 255).astype(np.uint8)
    seams = {
        m: blending._measure_blend(frame, Blender(faces, m).blend(frame, lit, 0), lit, faces, 0)
        for m in ("paste", "feather", "poisson")
    }
    assert seams["paste"]["worst_seam"] > 5 * seams["feather"]["worst_seam"]
    assert seams["poisson"]["seam"] < 0.5 * seams["feather"]["seam"]
    assert seams["poisson"]["face_colour"] < 5 < 25 < seams["paste"]["face_colour"]


def test_the_summary_is_a_mean_over_clips_and_edits() -> None:
    def record(factor: int, seam: float) -> dict[str, object]:
        rows = [{"method": method, **dict.fromkeys(blending.METRICS, seam)} for method in BLEND_METHODS]
        return {"enlarged": factor, "rows": rows}

    summary = blending.summarize([record(1, 1.0), record(1, 3.0), record(4, 8.0)])
    assert summary["1"]["poisson"]["seam"] == 2.0
    assert summary["4"]["paste"]["ms"] == 8.0
