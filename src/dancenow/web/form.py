"""The form of a checked job: who dances, that they agree, how long to train, and what is around the people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from dancenow.web.actions import MAX_MINUTES, Choices
from dancenow.web.cast_form import CastForm, build_cast_form
from dancenow.web.dancer_form import DancerForm, build_dancer_form, consents_of
from dancenow.web.job import Job
from dancenow.web.job_dancers import MAX_DANCERS, MAX_PARTS

_PRESETS: Final = [
    ("Draft: 256 pixels, for a laptop", "draft"),
    ("Fast draft: without pictures of the person, less sharp", "draft-fast"),
    ("Standard: 512 pixels, for a graphics card", "standard"),
    ("HD: 1024 pixels, for a graphics card and sharp videos", "hd"),
]
_SCENES: Final = [
    ("Where the person was filmed", "target"),
    ("Where the dance was filmed", "source"),
    ("One color", "color"),
    ("A picture", "picture"),
    ("Nothing: transparent, for editing", "transparent"),
]
_MINUTES: Final = "Minutes of training; more is sharper"


@dataclass(frozen=True)
class Form:
    """The components of the form. place: minutes, quality, scene, color and picture, as `Choices` begins."""

    whole: Any
    training: Any
    place: tuple[Any, ...]
    cast: CastForm
    dancers: tuple[DancerForm, ...]
    estimate: Any
    start: Any

    @property
    def inputs(self) -> list[Any]:
        """What is filled in, in the order of `choices_of`."""
        return [*self.place, *self.cast.inputs, *(each for dancer in self.dancers for each in dancer.inputs)]

    @property
    def deciding_time(self) -> list[Any]:
        """What the expected time depends on: minutes, quality and parts."""
        return [*self.place[:2], *self.cast.parts]

    @property
    def outputs(self) -> list[Any]:
        """What `updates` changes."""
        of_dancers = [each for dancer in self.dancers for each in dancer.outputs]
        return [self.whole, self.training, self.place[0], self.start, *self.cast.outputs, *of_dancers]

    def updates(self, job: Job, check: Mapping[str, Any], people: Sequence[tuple[str, str]] = ()) -> list[Any]:
        """The state of the form for a job. people: of earlier jobs, see `Actions.people`."""
        is_open = bool(check) and not job.is_active
        is_trained = all(dancer.model for dancer in job.dancers)
        again = "Make the video again" if job.state == "done" else "Make the video"
        minutes = f"{_MINUTES.partition(';')[0]} for each person; more is sharper" if job.others else _MINUTES
        return [
            gr.update(visible=is_open), gr.update(visible=not is_trained), gr.update(label=minutes), gr.update(value=again),
            *self.cast.updates(job, check, people), *(each for dancer in self.dancers for each in dancer.updates(job)),
        ]  # fmt: skip


def choices_of(values: Sequence[Any]) -> Choices:
    """What the form's inputs hold."""
    minutes, preset, scene, color, picture, source_person, *rest = values
    parts, people, consents = rest[:MAX_PARTS], rest[MAX_PARTS : MAX_PARTS + MAX_DANCERS], rest[MAX_PARTS + MAX_DANCERS :]
    return Choices(
        minutes, preset, scene, color, picture, source_person, tuple(parts), tuple(people), consents_of(consents)
    )  # fmt: skip


def build_form() -> Form:
    """Create the components, inside the page that is being built; all hidden."""
    with gr.Column(visible=False, elem_id="form") as whole:
        cast = build_cast_form()
        dancers = tuple(build_dancer_form(number) for number in range(1, MAX_DANCERS + 1))
        with gr.Column() as training:
            gr.HTML('<div class="dn"><h3>How much time may it take?</h3></div>')
            minutes = gr.Number(10, minimum=0.02, maximum=MAX_MINUTES, label=_MINUTES, elem_id="minutes")
            preset = gr.Radio(_PRESETS, value="draft", label="Quality")
        gr.HTML('<div class="dn"><h3>What is around the person?</h3></div>')
        scene = gr.Radio(_SCENES, value="target", label="Scene", show_label=False)
        color = gr.ColorPicker("#20a040", label="Color", visible=False)
        picture = gr.File(label="Picture", file_types=[".png", ".jpg", ".jpeg", ".webp"], height=110, visible=False)
        estimate = gr.HTML()
        start = gr.Button("Make the video", variant="primary", elem_id="make")
    scene.change(
        lambda chosen: [gr.update(visible=chosen == "color"), gr.update(visible=chosen == "picture")], scene, [color, picture],
        show_progress="hidden",
    )  # fmt: skip
    return Form(whole, training, (minutes, preset, scene, color, picture), cast, dancers, estimate, start)
