"""The live transfer on a drawn dancer, with a file at real-time speed: marked, in time, and never behind."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dancenow.cli import main as cli
from dancenow.errors import InputError, OptionError
from dancenow.live.causal_poses import CausalPoses
from dancenow.live.newest import Newest
from dancenow.live.player import LiveImage, LiveMeter, LivePlayer
from dancenow.live.sources import live_frames
from dancenow.live.stream import LiveStream
from dancenow.media.source import read_frames
from dancenow.progress import CancelToken
from dancenow.provenance.watermark import Payload, read_watermark_in_images
from dancenow.rendering.layer import Layer
from dancenow.subject.subject import Subject
from dancenow.subject.target_appearance import Target
from dancenow.types import ImageRGB, PoseTrack
from helpers.drawn_world import dancer_track, film
from helpers.silhouette_detector import SilhouetteDetector


class SpotRenderer:
    """Shows a green spot where the body is. pause_s: how long that takes."""

    has_temporal_filter, run_up_frames = False, 0

    def __init__(self, target: Target, pause_s: float = 0.0) -> None:
        self.target, self._pause_s = target, pause_s

    def render(self, track: PoseTrack, frames: NDArray[np.int64]) -> Generator[Layer | None]:
        for index in frames.tolist():
            time.sleep(self._pause_s)
            rgba = np.zeros((track.height_px, track.width_px, 4), np.uint8)
            x, y = track.pose.xy[index].mean(axis=0)
            cv2.circle(rgba, (round(float(x)), round(float(y))), 12, (0, 255, 0, 255), -1)
            yield Layer(rgba, None, float(y))


@pytest.fixture
def create(drawn_subject: Subject) -> Callable[..., LivePlayer]:
    def created(token: CancelToken | None = None, pause_s: float = 0.0) -> LivePlayer:
        target = Target.of_subject(drawn_subject)
        poses = CausalPoses(SilhouetteDetector(), target.track)
        return LivePlayer(SpotRenderer(target, pause_s), poses, Payload("beef"), token or CancelToken())

    return created


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return film(tmp_path / "dance.mp4", dancer_track(60, phase=1.0, body_px=70))


def spot_x(image: ImageRGB) -> float:
    green = (image[..., 1] > 200) & (image[..., 0] < 90) & (image[..., 2] < 90)
    return float(np.nonzero(green)[1].mean()) if green.any() else float("nan")


def test_the_target_follows_the_source_and_is_marked(create: Callable[..., LivePlayer], video: Path) -> None:
    player, shown = create(), list[LiveImage]()
    start_s = time.monotonic()
    player.play(live_frames(str(video)), shown.append)
    assert time.monotonic() - start_s > 2.3, "a file is played at the speed of its clock"
    with_person = [image for image in shown if image.is_person]
    assert len(with_person) > 5
    places = [spot_x(image.image_rgb) for image in with_person]
    assert np.isfinite(places).all()
    assert np.ptp(places) > 10, "the dancer walks from side to side"
    assert player.meter.fps > 2
    height_px = player._view.background.at(0.0).shape[0]
    strips = [image.image_rgb[height_px:] for image in shown]
    assert all(strip.size and strip.max() > 200 for strip in strips), "a strip below says that it is synthetic"
    reading = read_watermark_in_images([image.image_rgb[:height_px] for image in shown], may_be_cropped=False)
    assert reading.payload == Payload("beef")


def test_a_slow_machine_drops_frames_instead_of_falling_behind(create: Callable[..., LivePlayer], video: Path) -> None:
    player, shown = create(pause_s=0.2), list[LiveImage]()
    start_s = time.monotonic()
    player.play(live_frames(str(video)), shown.append)
    assert time.monotonic() - start_s < 6
    assert player.dropped > 10
    assert max(image.latency_s for image in shown[-4:]) < 2


def test_it_is_cancelled_from_another_thread(create: Callable[..., LivePlayer], video: Path) -> None:
    token, shown = CancelToken(), list[LiveImage]()

    def stop(image: LiveImage) -> None:
        shown.append(image)
        token.cancel()

    start_s = time.monotonic()
    create(token).play(live_frames(str(video)), stop)
    assert time.monotonic() - start_s < 2


def test_nobody_in_the_picture_shows_the_empty_place(create: Callable[..., LivePlayer], tmp_path: Path) -> None:
    track = dancer_track(12)
    track.pose.xy[:] = -500
    shown = list[LiveImage]()
    create().play(live_frames(str(film(tmp_path / "empty.mp4", track))), shown.append)
    assert shown
    assert not any(image.is_person for image in shown)


def test_missing_sources_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no camera 99 was found"):
        next(live_frames("99"))
    with pytest.raises(InputError, match=r"absent\.mp4"):
        next(live_frames(str(tmp_path / "absent.mp4")))
    for words in ([str(tmp_path / "absent.safetensors")], [str(tmp_path / "m.safetensors"), "--lag", "99"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["live", *words])
        assert stopped.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_an_error_of_the_source_ends_the_player(create: Callable[..., LivePlayer], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        create().play(live_frames(str(tmp_path / "absent.mp4")), lambda _image: None)


def test_the_newest_replaces_what_nobody_took() -> None:
    newest = Newest[int]()
    newest.put(1)
    newest.put(2)
    newest.close()
    assert (newest.take(), newest.take(), newest.dropped) == (2, None, 1)


def test_the_stream_gives_images_to_this_machine_alone(video: Path) -> None:
    meter = LiveMeter()
    stream = LiveStream(0, meter)
    image = next(iter(read_frames(video))).image_rgb
    with stream.served():
        assert stream.address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(stream.address) as page:
            text = page.read().decode()
        assert "synthetic" in text
        assert "//" not in text.replace("http://www.w3.org", ""), "nothing is loaded from elsewhere"
        with urllib.request.urlopen(stream.address + "stream") as images:
            stream.show(LiveImage(image, 0.1, True))
            head = [images.readline() for _ in range(4)]
            size = int(head[2].split(b":")[1])
            decoded = cv2.imdecode(np.frombuffer(images.read(size), np.uint8), cv2.IMREAD_COLOR_RGB)
            assert decoded is not None
            assert np.abs(decoded.astype(int) - image).mean() < 12
        meter.note(0.1)
        with urllib.request.urlopen(stream.address + "facts") as facts:
            assert json.load(facts)["latency_ms"] == pytest.approx(100)
        foreign = urllib.request.Request(stream.address, headers={"Host": "evil.example"})
        for request in (foreign, urllib.request.Request(stream.address + "../etc/passwd")):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request)
            assert refused.value.code in (403, 404)
            refused.value.close()


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OptionError, match="is taken"):
            LiveStream(taken.getsockname()[1], LiveMeter())
