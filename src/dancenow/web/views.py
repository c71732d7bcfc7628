"""The texts and pictures of the page as HTML. Everything that comes from users, videos or errors is escaped here."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from dancenow.web.job import Job, State

STATES: Final[dict[State, str]] = {
    "queued": "Waits for its turn", "running": "At work", "waiting": "Checked: your turn", "paused": "Paused",
    "cancelled": "Cancelled", "failed": "Did not work", "done": "Ready",
}  # fmt: skip
_STAGES: Final = {
    "check the file": "Reading the file",
    "looking for people": "Looking for people",
    "looking again": "Looking for people",
    "tracking the person": "Measuring the poses",
    "following the motion": "Measuring the poses",
    "following the camera": "Following the camera",
    "background": "Finding the empty room",
    "refining the edges": "Cutting the person out",
    "reading frames": "Preparing pictures to learn from",
    "coverage plot": "Comparing the two videos",
    "training": "Learning how the person looks",
    "generating": "Making the video",
    "report": "Writing the report",
    "side by side": "Putting both side by side",
    "waiting for another dancenow": "Waiting for another dancenow on this machine",
}


def duration(seconds: float) -> str:
    """A time that is left or expected, in words."""
    if seconds < 50:
        return "less than a minute"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} minute{'s' if minutes != 1 else ''}"
    return f"about {seconds / 3600:.1f} hours"


def status_view(job: Job, progress: Mapping[str, Any], ahead: int, wait_s: float, *, is_stopping: bool) -> str:
    """The head of a job: who dances what, and how far it is."""
    head = f'<h2 class="title">{escape(job.title)}</h2><p class="state {job.state}">{STATES[job.state]}</p>'
    if job.state == "queued":
        turn = f"{ahead} before it" if ahead else "starting"
        when = f", {duration(wait_s)} to go until it starts" if ahead else ""
        return f"{head}<p>{turn}{when}. You can close this page; the work goes on.</p>"
    if job.state == "failed":
        advice = "<p>You can take a dancer out below.</p>" if job.others and job.step == "check" else ""
        return f'{head}<p class="error" role="alert">{escape(_sentence(job.error))}</p>{advice}'
    if job.state in ("paused", "cancelled"):
        kept = "What was learned so far is kept. Continue whenever you like." if job.step == "video" else "Continue any time."
        return f"{head}<p>{kept}</p>"
    if job.state != "running":
        return head
    if is_stopping:
        return f"{head}<p>Stopping, and saving what was learned ...</p>"
    return head + _progress_view(progress) + "<p class=hint>You can close this page; the work goes on.</p>"


def _progress_view(progress: Mapping[str, Any]) -> str:
    if not progress:
        return "<p>Starting ...</p><progress></progress>"
    stage, share = str(progress.get("stage", "")), progress.get("share")
    name = _STAGES.get(stage, stage.capitalize())
    bar = "<progress></progress>" if share is None else f'<progress max="1" value="{float(share):.4f}"></progress>'
    percent = "" if share is None else f" {float(share):.0%}"
    name += f": {who}" if (who := str(progress.get("who", ""))) else ""
    return f'<p><b>{escape(name)}</b>{percent}<span class="left">{duration(float(progress["left_s"]))} left</span></p>{bar}'


def preview_view(job: Job, version: int) -> str:
    """The preview of the training, newest first. version: changes with the picture."""
    if job.state not in ("running", "paused") or not version:
        return ""
    image = f'<img src="/files/{job.number}/preview.png?{version}" alt="The person as learned so far">'
    caption = "Learned so far: above the filmed person, below the learned one. It gets sharper with time."
    return f'<figure class="preview">{image}<figcaption>{caption}</figcaption></figure>'


def check_view(job: Job, check: Mapping[str, Any], *, has_plot: bool) -> str:
    """What the check found: a picture of each video, advice, and when the dance shows what the footage does not."""
    if not check:
        return ""
    others = check.get("others", {})
    shown = [("source", "The dance", job.source_label, check.get("source"))]
    for number, dancer in enumerate(job.dancers, start=1):
        what = f"Dancer {number}" if job.others else "The person"
        shown.append((dancer.stem, what, dancer.label, others.get(dancer.stem) if number > 1 else check.get("target")))
    pictures = "".join(_video_view(job, stem, what, label, facts) for stem, what, label, facts in shown if facts)
    advice = [f"<li>{escape(_sentence(text))}</li>" for text in check.get("advice", [])]
    seconds = float((check.get("source") or {}).get("seconds", 0)) or 1.0
    listed = f'<h3>Good to know</h3><ul class="advice">{"".join(advice)}</ul>' if advice else ""
    compared = check.get("parts") or [{**check, "plot": "coverage.png" if has_plot else ""}]
    return f'<div class="pictures">{pictures}</div>{listed}{"".join(_part_view(job, each, seconds) for each in compared)}'


def _part_view(job: Job, part: Mapping[str, Any], seconds: float) -> str:
    """How well the footage of a dancer covers what one person of the dance does."""
    who = f"Person {part['person']}, danced by {part['dancer']}: w" if part.get("dancer") else "W"
    gaps = _gaps_view(f"{who}hich moves does the footage show?", part.get("gaps", []), str(part.get("summary", "")), seconds)
    if not part.get("plot"):
        return gaps
    link = f'<a href="/files/{job.number}/{escape(str(part["plot"]))}" target="_blank">Picture of the comparison</a>'
    return f"{gaps}<p>{link}: frames of the dance above the most similar frames of the person.</p>"


def _video_view(job: Job, stem: str, what: str, label: str, facts: Mapping[str, Any]) -> str:
    people = int(facts["people"])
    picture = f"{stem}_{'people' if people > 1 else 'pose'}.jpg"
    size = f"{float(facts['seconds']):.1f} s, {int(facts['width_px'])} x {int(facts['height_px'])}"
    choose = "choose below who becomes whom" if job.others and stem == "source" else "choose below whom to follow"
    found = f"{people} people: {choose}" if people > 1 else "the lines show the measured pose"
    image = f'<img src="/files/{job.number}/{picture}?{job.queued_s:.0f}" alt="{what}, as it was found">'
    return f"<figure>{image}<figcaption><b>{what}</b>: {escape(label)}. {size}; {found}.</figcaption></figure>"


def _gaps_view(question: str, gaps: Sequence[Mapping[str, Any]], summary: str, seconds: float) -> str:
    """A timeline of the dance, on which the moves are marked that the footage does not show, and what to film."""
    if not summary:
        return ""
    marks = "".join(
        f'<i style="left:{100 * float(gap["start_s"]) / seconds:.2f}%;'
        f'width:{max(0.6, 100 * (float(gap["stop_s"]) - float(gap["start_s"])) / seconds):.2f}%"></i>'
        for gap in gaps
    )
    shown = sorted(gaps, key=lambda gap: float(gap["start_s"]) - float(gap["stop_s"]))[:6]
    rows = "".join(
        f"<li><b>{float(gap['start_s']):.1f}-{float(gap['stop_s']):.1f} s</b> {escape(str(gap['what']))}."
        f" {escape(str(gap['advice']))}</li>"
        for gap in sorted(shown, key=lambda gap: float(gap["start_s"]))
    )
    line = f'<div class="timeline" role="img" aria-label="Timeline of the dance">{marks}</div>'
    ends = f'<div class="ends"><span>0 s</span><span>{seconds:.0f} s</span></div>'
    more = f"<p>and {len(gaps) - len(shown)} shorter ones.</p>" if len(gaps) > len(shown) else ""
    return f"<h3>{escape(question)}</h3><p>{escape(summary)}</p>{line}{ends}<ul>{rows}</ul>{more}"


def result_view(job: Job, result: Mapping[str, Any], files: Sequence[str]) -> str:
    """The finished video beside the dance, downloads, and remarks."""
    if job.state != "done" or not result:
        return ""
    name, base = str(result["result"]), f"/files/{job.number}"
    shown, alone = ("beside.mp4", "") if "beside.mp4" in files else (name, " alone")
    video = f'<video class="result{alone}" src="{base}/{shown}" controls playsinline preload="metadata"></video>'
    kinds = {
        name: "Video" if name.endswith(".mp4") else "Video with transparency (WebM)", "beside.mp4": "Side by side",
        "report.html": "Report",
    }  # fmt: skip
    for dancer in job.dancers:
        kinds[dancer.model_name] = f"Trained model of {dancer.label}" if job.others else "Trained model"
    links = "".join(
        f'<a class="download" href="{base}/{file}" download="dancenow-{file}">{escape(label)}</a>'
        for file, label in kinds.items()
        if file in files
    )
    report = f'<p><a href="{base}/report.html" target="_blank">Open the report</a></p>' if "report.html" in files else ""
    notes = "".join(f"<li>{escape(_sentence(note))}</li>" for note in result.get("notes", []))
    caption = "Left the dance, right the result. This video is synthetic, and marked so in its pixels and its file."
    remarks = f"<details><summary>Remarks ({len(result['notes'])})</summary><ul>{notes}</ul></details>" if notes else ""
    return f'{video}<p class=hint>{caption}</p><h3>Download</h3><div class="downloads">{links}</div>{report}{remarks}'


def gallery_view(jobs: Sequence[Job], pictures: Mapping[str, str]) -> str:
    """All jobs of a user as cards that lead to them. pictures: number -> the file to show."""
    if not jobs:
        return "<p>Nothing here yet.</p>"
    cards = []
    for job in jobs:
        picture = pictures.get(job.number)
        image = f'<img src="/files/{job.number}/{picture}" alt="" loading="lazy">' if picture else '<div class="none"></div>'
        label = f"<b>{escape(job.title)}</b><span class='state {job.state}'>{STATES[job.state]}</span>"
        cards.append(f'<a class="card" href="/?job={job.number}">{image}{label}</a>')
    return f'<div class="gallery">{"".join(cards)}</div>'


def _sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""
