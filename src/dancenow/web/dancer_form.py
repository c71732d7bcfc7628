"""The part of the form about one dancer: who is in their video, and that they agreed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from html import escape
from typing import Any, Final

import gradio as gr

from dancenow.web.consent_choices import ConsentChoices
from dancenow.web.job import Job

_WHO: Final = [
    ("It is me", "self"),
    ("Another person, who agreed", "licensed"),
    ("Nobody real: drawn or rendered", "rendered"),
]
_AGREED: Final = (
    "The person agreed that a model of them is trained and that they are shown dancing this, or nobody real is shown."
)
_LICENCES: Final = ["CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "LicenseRef-Agreement"]
NUM_INPUTS: Final = len(fields(ConsentChoices))


@dataclass(frozen=True)
class DancerForm:
    """The components about one dancer. inputs: in the order of the fields of `ConsentChoices`. remove: None for the first."""

    number: int
    whole: Any
    heading: Any
    remove: Any
    inputs: tuple[Any, ...]

    @property
    def outputs(self) -> list[Any]:
        """What `updates` changes."""
        return [self.whole, self.heading, *self.inputs]

    def updates(self, job: Job) -> list[Any]:
        """The state for a job. A check forgets what was filled in, because other people may be meant now."""
        dancer = job.dancers[self.number - 1] if self.number <= len(job.dancers) else None
        asks = dancer is not None and not dancer.model
        is_shown = asks or (dancer is not None and self.number > 1)
        of_whom = f"“{dancer.label}”" if dancer and job.others else "the video of the person"
        question = f"Who is in {of_whom}?" if asks else f"{of_whom} was learned before, with consent"
        heading = f'<div class="dn"><h3>{escape(question)}</h3></div>'
        empty = [None, "", "", None, False]
        changes: list[dict[str, Any]] = [{"value": value} if job.step == "check" else {} for value in empty]
        changes[0]["visible"] = changes[-1]["visible"] = asks  # what is between them is shown by the first
        return [gr.update(visible=is_shown), heading, *(gr.update(**change) for change in changes)]


def build_dancer_form(number: int) -> DancerForm:
    """Create the components, inside the form that is being built. number: of the dancer, counted from 1."""
    suffix = "" if number == 1 else str(number)
    with gr.Column(visible=number == 1, elem_id=f"dancer{number}") as whole:
        heading = gr.HTML()
        who = gr.Radio(_WHO, label="Who will dance", show_label=False, elem_id=f"who{suffix}")
        with gr.Column(visible=False) as other:
            name = gr.Textbox(label="Name of the person", max_length=200)
            licence = gr.Dropdown(
                _LICENCES, value="", label="License of the video (empty if there is a signed document)", allow_custom_value=True
            )
            document = gr.File(label="Signed document, if there is one; only its fingerprint is kept", height=110)
        agreed = gr.Checkbox(label=_AGREED, elem_id=f"agreed{suffix}")
        remove = gr.Button("Take this dancer out", size="sm", elem_id=f"remove{suffix}") if number > 1 else None
    who.change(lambda chosen: gr.update(visible=chosen == "licensed"), who, other, show_progress="hidden")
    return DancerForm(number, whole, heading, remove, (who, name, licence, document, agreed))


def consents_of(values: Sequence[Any]) -> tuple[ConsentChoices, ...]:
    """What the inputs of all dancers hold, one after the other."""
    return tuple(ConsentChoices(*values[start : start + NUM_INPUTS]) for start in range(0, len(values), NUM_INPUTS))
