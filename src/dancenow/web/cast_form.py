"""The part of the form about the people who were found: whom to follow, who dances whose part, and one more dancer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from dancenow.web.job import Job
from dancenow.web.job_dancers import MAX_DANCERS, MAX_PARTS
from dancenow.web.job_store import SUFFIXES

MOST_CHOSEN: Final = "Choose for me"
NOBODY: Final = "Nobody: leave this person out"
_WHO: Final = '<div class="dn"><h3>Who is who?</h3><p>The numbers are those in the pictures above.</p></div>'
_ANOTHER: Final = (
    '<div class="dn"><p>The dance shows {people} people. Drop the video of somebody else who will dance along; it is checked'
    " like the first one. Everyone who is new has their own training, so it takes longer.</p></div>"
)


@dataclass(frozen=True)
class CastForm:
    """The components. parts: who dances each person of the dance. people: whom to follow in the video of each dancer."""

    whole: Any
    source_person: Any
    parts: tuple[Any, ...]
    people: tuple[Any, ...]
    check_again: Any
    another: Any
    another_text: Any
    another_video: Any
    another_model: Any
    add: Any

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What the user chooses."""
        return self.source_person, *self.parts, *self.people

    @property
    def outputs(self) -> list[Any]:
        """What `updates` changes."""
        return [self.whole, *self.inputs, self.another, self.another_text, self.another_video, self.another_model]

    def updates(self, job: Job, check: Mapping[str, Any], known: Sequence[tuple[str, str]] = ()) -> list[Any]:
        """The state for a job. known: label and name of people of earlier jobs."""
        found = int((check.get("source") or {}).get("people", 1))
        counts = [_people_in(check, dancer.stem) for dancer in job.dancers]
        counts += [1] * (MAX_DANCERS - len(counts))
        is_shown = max(found, *counts) > 1
        can_add = len(job.dancers) < min(found, MAX_DANCERS)
        alone = _choose_person("Who dances in the dance?", found, job.settings.source_person, is_shown=not job.others)
        return [
            gr.update(visible=is_shown), alone, *(self._part(job, found, number) for number in range(1, MAX_PARTS + 1)),
            *(self._person(job, count, number) for number, count in enumerate(counts)),
            gr.update(visible=can_add, open=False), _ANOTHER.format(people=found), gr.update(value=None),
            gr.update(choices=list(known), value=None, visible=bool(known)),
        ]  # fmt: skip

    def _part(self, job: Job, found: int, number: int) -> Any:
        parts, dancers = job.settings.parts, job.dancers
        return gr.update(
            choices=[*((f"{n}. {dancer.label}", n) for n, dancer in enumerate(dancers, start=1)), (NOBODY, 0)],
            value=parts[number - 1] if number <= len(parts) else 0,
            visible=bool(job.others) and number <= found,
        )

    def _person(self, job: Job, count: int, number: int) -> Any:
        if number >= len(job.dancers):
            return gr.update(value=0, visible=False)
        dancer = job.dancers[number]
        question = f"Who is it in “{dancer.label}”?" if job.others else "Who will dance it?"
        return _choose_person(question, count, dancer.person)


def _choose_person(question: str, count: int, chosen: int | None, *, is_shown: bool = True) -> Any:
    value = chosen or 0
    return gr.update(
        choices=[(MOST_CHOSEN, 0), *((f"Person {number}", number) for number in range(1, count + 1))],
        value=value if value <= count else 0, label=question, visible=is_shown and count > 1,
    )  # fmt: skip


def _people_in(check: Mapping[str, Any], stem: str) -> int:
    facts = check.get("target") if stem == "target" else check.get("others", {}).get(stem)
    return int((facts or {}).get("people", 1))


def build_cast_form() -> CastForm:
    """Create the components, inside the form that is being built; all hidden."""
    with gr.Column(visible=False, elem_id="cast") as whole:
        gr.HTML(_WHO)
        with gr.Row():
            source_person = _hidden_dropdown("Who dances in the dance?")
            parts = [_hidden_dropdown(f"Person {number} of the dance becomes", f"part{number}") for number in _up_to(MAX_PARTS)]
        with gr.Row():
            people = [_hidden_dropdown("Who will dance it?") for _ in _up_to(MAX_DANCERS)]
        check_again = gr.Button("Check again with these people")
        with gr.Accordion("Add another dancer", visible=False, open=False, elem_id="another") as another:
            text = gr.HTML()
            video = gr.File(label="Another person", file_types=list(SUFFIXES), elem_id="target-another", height=130)
            model = gr.Dropdown(
                [], label="... or somebody from an earlier video, without a new training", visible=False, value=None
            )
            add = gr.Button("Add this dancer", elem_id="add")
    return CastForm(whole, source_person, tuple(parts), tuple(people), check_again, another, text, video, model, add)


def _hidden_dropdown(label: str, elem_id: str | None = None) -> Any:
    return gr.Dropdown([(MOST_CHOSEN, 0)], value=0, label=label, visible=False, elem_id=elem_id, min_width=260)


def _up_to(count: int) -> Sequence[int]:
    return range(1, count + 1)
