"""The form of a checked job: who is in the video and that they agree, how long to train, and what is around the person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from dancenow.web.actions import MAX_MINUTES, Choices
from dancenow.web.job import Job

_WHO: Final = [
    ("It is me", "self"),
    ("Another person, who agreed", "licensed"),
    ("Nobody real: drawn or rendered", "rendered"),
]
_AGREED: Final = (
    "The person agreed that a model of them is trained and that they are shown dancing this, or nobody real is shown."
)
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
_LICENCES: Final = ["CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "LicenseRef-Agreement"]
MOST_CHOSEN: Final = "Choose for me"


@dataclass(frozen=True)
class Form:
    """The components of the form. inputs: in the order of the fields of `Choices`."""

    whole: Any
    training: Any
    people: Any
    other_person: Any
    estimate: Any
    start: Any
    check_again: Any
    inputs: tuple[Any, ...]

    @property
    def outputs(self) -> list[Any]:
        """What `updates` changes."""
        return [self.whole, self.training, self.people, *self.inputs[-2:], self.start]

    def updates(self, job: Job, check: Mapping[str, Any]) -> list[Any]:
        """The state of the form for a job."""
        is_open = bool(check) and not job.is_active
        counts = [int((check.get(role) or {}).get("people", 1)) for role in ("source", "target")]
        chosen = (job.settings.source_person or 0, job.settings.target_person or 0)
        choosers = [
            gr.update(
                choices=[(MOST_CHOSEN, 0), *((f"Person {number}", number) for number in range(1, count + 1))],
                value=value if value <= count else 0,
                visible=count > 1,
            )
            for count, value in zip(counts, chosen, strict=True)
        ]
        again = "Make the video again" if job.state == "done" else "Make the video"
        return [
            gr.update(visible=is_open), gr.update(visible=not job.model_of), gr.update(visible=max(counts) > 1), *choosers,
            gr.update(value=again),
        ]  # fmt: skip


def choices_of(values: Sequence[Any]) -> Choices:
    """What the form's inputs hold."""
    return Choices(*values)


def build_form() -> Form:
    """Create the components, inside the page that is being built; all hidden."""
    with gr.Column(visible=False, elem_id="form") as whole:
        with gr.Column(visible=False) as people:
            gr.HTML('<div class="dn"><h3>Who is it?</h3><p>The numbers are those in the pictures above.</p></div>')
            with gr.Row():
                source_person = gr.Dropdown([(MOST_CHOSEN, 0)], value=0, label="Who dances in the dance?", visible=False)
                target_person = gr.Dropdown([(MOST_CHOSEN, 0)], value=0, label="Who will dance it?", visible=False)
            check_again = gr.Button("Check again with these people")
        with gr.Column() as training:
            gr.HTML('<div class="dn"><h3>Who is in the video of the person?</h3></div>')
            who = gr.Radio(_WHO, label="Who will dance", show_label=False, elem_id="who")
            with gr.Column(visible=False) as other:
                name = gr.Textbox(label="Name of the person", max_length=200)
                licence = gr.Dropdown(
                    _LICENCES, value="", label="License of the video (empty if there is a signed document)",
                    allow_custom_value=True,
                )  # fmt: skip
                document = gr.File(label="Signed document, if there is one; only its fingerprint is kept", height=110)
            agreed = gr.Checkbox(label=_AGREED, elem_id="agreed")
            gr.HTML('<div class="dn"><h3>How much time may it take?</h3></div>')
            minutes = gr.Number(
                10, minimum=0.02, maximum=MAX_MINUTES, label="Minutes of training; more is sharper", elem_id="minutes"
            )
            preset = gr.Radio(_PRESETS, value="draft", label="Quality")
        gr.HTML('<div class="dn"><h3>What is around the person?</h3></div>')
        scene = gr.Radio(_SCENES, value="target", label="Scene", show_label=False)
        color = gr.ColorPicker("#20a040", label="Color", visible=False)
        picture = gr.File(label="Picture", file_types=[".png", ".jpg", ".jpeg", ".webp"], height=110, visible=False)
        estimate = gr.HTML()
        start = gr.Button("Make the video", variant="primary", elem_id="make")
    who.change(lambda chosen: gr.update(visible=chosen == "licensed"), who, other, show_progress="hidden")
    scene.change(
        lambda chosen: [gr.update(visible=chosen == "color"), gr.update(visible=chosen == "picture")], scene, [color, picture],
        show_progress="hidden",
    )  # fmt: skip
    inputs = (
        who, name, licence, document, agreed, minutes, preset, scene, color, picture, source_person, target_person,
    )  # fmt: skip
    return Form(whole, training, people, other, estimate, start, check_again, inputs)
