"""From a video to one person's pose track: detection, tracking, filtering and correction, in one place.

    video --> measure: detect, follow one person, track backwards after a loss        (slow, cached by the video's content)
          --> repair: left-right swaps, outliers, gaps
          --> correct_bias: the detector's systematic errors
          --> damp_jitter: as far as the motion allows
          --> drop_unseen: guesses of parts that the video never shows
          --> follow_picture: keypoints move as the picture does   (cached, too)      --> PoseTrack of the person
    PoseTrack --> retarget
              --> for_rendering: full confidence in filled frames and hidden limbs    --> renderer

`PosePipeline` is used by training and transfer alike. `detect_poses` is its function for one video.
"""

import json
import math
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from dancenow.compatibility import renamed_keywords
from dancenow.errors import InputError, OptionError, UserError
from dancenow.execution import Execution, reporting
from dancenow.media.integrity import require_complete
from dancenow.media.repeated_frames import RepeatedFrameFinder
from dancenow.media.shots import cut_frames
from dancenow.media.sink import MaskWriter
from dancenow.media.source import VideoInput, open_video
from dancenow.pose.detectors.base import PoseDetector
from dancenow.pose.detectors.registry import DEFAULT_DETECTOR, create_detector
from dancenow.pose.filtering.confidence import confidence_for_rendering
from dancenow.pose.filtering.repeated_frames import filter_without_repeats
from dancenow.pose.filtering.smoothing import DEFAULT, SmoothConfig, damp_jitter, repair, smooth, smooth_lag_frames
from dancenow.pose.picture_following import follow_picture
from dancenow.pose.track_io import load_track, save_track
from dancenow.pose.tracking.backward_tracking import MAX_BUFFERED_FRAMES, track_shots
from dancenow.pose.tracking.reidentification import PeopleSurvey, select_person
from dancenow.pose.tracking.track_record import TrackRecord
from dancenow.pose.tracking.tracker import PersonTracker
from dancenow.pose.visible_extent import drop_unseen
from dancenow.prefetch import prefetch
from dancenow.progress import Progress, ProgressCallback, ignore_progress
from dancenow.storage.atomic_io import complete_or_absent, require_writable
from dancenow.storage.cache import CacheEntry, cache_entry, cache_key, cached_result
from dancenow.types import PoseTrack

MASK_SIDE_PX: Final = 640
"""Longer side of a mask, at most; the detector gives no more detail."""
MIN_SEEN: Final = 0.1
"""A person seen in a smaller fraction of the frames cannot be followed or learned."""


@dataclass(frozen=True)
class Lag:
    """How many later frames decide a frame's pose, at most.

    filtering_frames: always needed. tracking_frames: held back only while the person is not found, for backward tracking.
    """

    filtering_frames: int
    tracking_frames: int


@dataclass(frozen=True, eq=False)
class PosePipeline:
    """Orders detection, tracking, filtering and correction. All smoothing and all confidence rules are its steps."""

    detector: PoseDetector
    smoothing: SmoothConfig = DEFAULT

    @classmethod
    def create(
        cls,
        detector: str = DEFAULT_DETECTOR,
        on_progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """The pipeline with the named detector, see `pose.detectors.registry`. `on_progress` reports weights being downloaded.

        Raises:
            UserError: there is no detector of that name.
        """
        return cls(create_detector(detector, on_progress))

    def track(
        self,
        video: VideoInput,
        *,
        person: int | None = None,
        masks: Path | None = None,
        every: int = 1,
        use_cache: bool = True,
        survey: PeopleSurvey | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> PoseTrack:
        """One person's track, filtered and corrected. Arguments and errors as `detect_poses`."""
        source = open_video(video)
        filtered = self.filter(
            self.measured(
                source, person=person, masks=masks, every=every, use_cache=use_cache, survey=survey, on_progress=on_progress
            )
        )
        if every > 1:  # too far from frame to frame
            return filtered
        return follow_picture(source, [filtered], use_cache=use_cache, on_progress=on_progress)[0]

    def measured(
        self,
        video: VideoInput,
        *,
        person: int | None = None,
        masks: Path | None = None,
        every: int = 1,
        use_cache: bool = True,
        survey: PeopleSurvey | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> PoseTrack:
        """What `measure` returns, from the cache if it is there. Arguments and errors as `detect_poses`."""
        source = open_video(video)  # what cannot be read is explained before it is hashed
        _require_number(person)
        if masks is not None:
            require_writable(masks)
        if not use_cache:
            return self.measure(source, person=person, masks=masks, every=every, survey=survey, on_progress=on_progress)
        entry = self._cache_entry(source.sha256, person, every)
        cached_track, cached_masks = entry.path(".npz"), entry.path(".mkv")

        def load() -> PoseTrack | None:
            return None if masks is not None and not cached_masks.exists() else load_if_sound(cached_track)

        def make() -> PoseTrack:
            people, to = survey or PeopleSurvey(self.detector, source, on_progress=on_progress), cached_masks if masks else None
            measured = self.measure(source, person=person, masks=to, every=every, survey=people, on_progress=on_progress)
            save_track(cached_track, measured)
            with complete_or_absent(entry.path(".json")) as temporary:
                temporary.write_text(json.dumps(people.counts), "utf-8")
            return measured

        with entry.in_use():
            track = cached_result(entry, load, make, sealed=(".npz", ".mkv", ".json"), on_progress=on_progress)
            if masks is not None:
                with complete_or_absent(masks) as temporary:
                    shutil.copyfile(cached_masks, temporary)
        return track

    def people_counts(self, video: VideoInput, person: int | None = None, every: int = 1) -> list[int]:
        """How many people each sampled frame shows, as counted when the cached track of `person` was measured; else empty."""
        entry = self._cache_entry(open_video(video).sha256, person, every)
        try:
            return [int(count) for count in json.loads(entry.path(".json").read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def _cache_entry(self, video_sha256: str, person: int | None, every: int) -> CacheEntry:
        """What `measure` returns does not depend on the filters, which are cheap and run each time."""
        key = cache_key(
            "tracks",
            inputs=[video_sha256],
            parameters={"person": person, "every": every, "detector": self.detector.name},
            modules=[__name__, type(self.detector).__module__],
        )
        return cache_entry("tracks", key)

    def measure(
        self,
        video: VideoInput,
        *,
        person: int | None = None,
        masks: Path | None = None,
        every: int = 1,
        survey: PeopleSurvey | None = None,
        on_progress: ProgressCallback = ignore_progress,
    ) -> PoseTrack:
        """The detector's measurement, before any filter: each frame MEASURED or MISSING. Else as `track`."""
        source = open_video(video)
        _require_number(person)
        info = source.info
        survey = survey or PeopleSurvey(self.detector, source, on_progress=on_progress)
        tracker = PersonTracker(self.detector, select_person(survey.detections, person, source))
        scale = min(1.0, MASK_SIDE_PX / max(info.width_px, info.height_px))
        mask_width_px, mask_height_px = max(1, round(info.width_px * scale)), max(1, round(info.height_px * scale))
        empty = np.zeros((mask_height_px, mask_width_px), np.uint8)
        repeats = RepeatedFrameFinder()
        record = TrackRecord()
        with ExitStack() as stack:
            writer = stack.enter_context(MaskWriter(masks, mask_width_px, mask_height_px)) if masks else None
            frames = stack.enter_context(prefetch(source.frames(0, None, every)))
            for time_s, landmarks in track_shots(tracker, repeats.watch(frames), source.shots):
                record.add(float(time_s), landmarks.pose if landmarks else None)
                if writer:
                    writer.write(landmarks.mask(mask_width_px, mask_height_px, info.width_px) if landmarks else empty)
                on_progress(Progress("tracking the person", len(record) * every, info.num_frames))
            if len(record) < 2:
                raise InputError(f"{source} has only {len(record)} frame, which shows no motion; give a longer video.")
            if record.measured < max(2, MIN_SEEN * len(record)):
                raise InputError(
                    f"the person to follow was found in only {record.measured} of {len(record)} frames of {source}; film one"
                    " whole person, well lit, or choose another with --person."
                )
        pose, times_s, status = record.arrays()
        cuts = sorted({-(-cut // every) for cut in cut_frames(source.shots)} - {0})
        return PoseTrack(
            pose, times_s, status, info.width_px, info.height_px, self.detector.name, source.sha256,
            cuts=tuple(cut for cut in cuts if cut < len(pose)), repeated=repeats.found(),
        )  # fmt: skip

    def filter(self, measured: PoseTrack) -> PoseTrack:
        """A measured track, smoothed, without the detector's systematic errors and its guesses of what the frame cuts off."""

        def corrected(frames: PoseTrack) -> PoseTrack:
            repaired = self.detector.correct_bias(repair(frames, self.smoothing), frames)
            return drop_unseen(damp_jitter(repaired, self.smoothing))

        return measured.by_shot(lambda shot: filter_without_repeats(shot, corrected))

    def smooth(self, measured: PoseTrack) -> PoseTrack:
        """Smooth a track of any origin, without the detector's bias correction: see `smoothing.smooth`."""
        return measured.by_shot(lambda shot: smooth(shot, self.smoothing))

    def for_rendering(self, track: PoseTrack) -> PoseTrack:
        """The track as a renderer takes it, the last step: frames that were FILLED get their neighbors' confidence, and limbs
        that something hid are shown."""
        return confidence_for_rendering(track)

    def lag(self, fps: float) -> Lag:
        """The look-ahead of all steps at `fps` frames a second, for a live source."""
        filtering = smooth_lag_frames(self.smoothing, fps) + math.ceil(self.detector.correction_lag_s * fps)
        return Lag(filtering, MAX_BUFFERED_FRAMES)


@renamed_keywords(listen="on_progress")
def detect_poses(
    video: VideoInput,
    *,
    person: int | None = None,
    masks: Path | None = None,
    every: int = 1,
    detector: str = DEFAULT_DETECTOR,
    use_cache: bool = True,
    execution: Execution | None = None,
    survey: PeopleSurvey | None = None,
    accept_damaged: bool = False,
    on_progress: ProgressCallback = ignore_progress,
) -> PoseTrack:
    """One person's pose track, smoothed and corrected, with short gaps filled: a pose per frame of the video.

    Args:
        video: any file that `VideoSource.open` reads, or an opened video.
        person: number of the person to follow, counted from 1 by size and centrality in the frame that shows most people;
            None for the one who is largest, most central and most often seen.
        masks: where to write soft masks (`read_masks`), one per frame, 255 = person, of the frame scaled so that its
            longer side is at most 640 px; all 0 where the person was not found.
        every: measure only each `every`-th frame, from the first: a track of fewer frames a second, for measurements.
        detector: name of the pose detector, see `pose.detectors.registry`.
        use_cache: use a cached measurement of the same content, and cache a new one.
        execution: its token cancels the call.
        survey: of this video, if the caller needs it too; its detector is used, and the person is chosen from it.
        accept_damaged: use what can be read of a video that is cut off or damaged.

    Raises:
        UserError: the video cannot be read or is damaged, nobody or no such person is in it, the person is in too few of its
            frames, or there is no such detector.
    """
    on_progress = reporting(on_progress, execution)
    pipeline = PosePipeline(create_detector(detector, on_progress) if survey is None else survey.detector)
    source = open_video(video, accept_damaged=accept_damaged)
    require_complete(source, on_progress)
    return pipeline.track(
        source, person=person, masks=masks, every=every, use_cache=use_cache, survey=survey, on_progress=on_progress
    )


def _require_number(person: int | None) -> None:
    if person is not None and person < 1:
        raise OptionError(f"there is no person {person}: people are counted from 1.")


def load_if_sound(path: Path) -> PoseTrack | None:
    """A track of the cache; None if it is missing or damaged, so that it is measured again."""
    try:
        return load_track(path) if path.exists() else None
    except UserError:
        return None
