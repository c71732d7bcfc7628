"""The datasheet of a dataset in Markdown: the questions of Gebru et al. (Datasheets for Datasets, 2021), answered from the
data."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from dancenow.pose.move_classes import MOVES
from dancenow.research.dataset.findings import Facts, PersonFacts
from dancenow.research.dataset.index import Dataset
from dancenow.research.dataset.protocol import PARTS
from dancenow.research.dataset.source import FolderSource, ShardSource


def datasheet(source: FolderSource | ShardSource, facts: Facts) -> str:
    """The whole page."""
    dataset = source.dataset
    rendered = dataset.kind == "rendered"
    sections = (
        ("Motivation", _motivation(rendered)),
        ("Composition", _composition(dataset, facts)),
        ("Collection and consent", _collection(dataset)),
        ("Preprocessing and labels", _labels(rendered)),
        ("Splits", _splits(dataset)),
        ("Uses and limits", _uses(dataset, facts)),
        ("Distribution", _distribution(source)),
        ("Maintenance", _maintenance(dataset)),
    )
    body = "\n".join(f"## {title}\n\n" + "\n\n".join(paragraphs) + "\n" for title, paragraphs in sections)
    return f"# {dataset.about['title']}\n\nA datasheet after Gebru et al., Datasheets for Datasets (2021).\n\n{body}"


def _motivation(rendered: bool) -> Iterator[str]:
    yield (
        "**For what purpose was it made?** To train and to judge motion transfer: a person in one video dances what another"
        " person dances in another."
    )
    if rendered:
        yield (
            "Recordings cannot give the truth of a transfer between two people. Here the same dance is on several bodies,"
            " frame by frame, with poses and masks that are exact."
        )
    yield (
        "**Who made it?** Whoever ran the command below; the makers of dancenow have no part in it and answer for nothing in"
        " it."
    )


def _composition(dataset: Dataset, facts: Facts) -> Iterator[str]:
    seconds = sum(float(entry.info["seconds"]) for entry in dataset.entries)
    size_mb = sum(entry.bytes for entry in dataset.entries) / 1e6
    yield (
        f"**What is in it?** {len(dataset.entries)} clips of {len(dataset.identities)} people: {dataset.num_frames} frames,"
        f" {seconds:.0f} s, {size_mb:.1f} MB. {_sizes(dataset)} Each shows one person."
    )
    yield _people_table(facts.people)
    if dataset.kind == "rendered":
        yield _builds(dataset)
    yield (
        "distinct poses: no two nearer than what `dancenow check` counts as covered. moves: of the"
        f" {len(MOVES)} that have a name. face: share of frames in which it shows, and the size of the head there. missing:"
        " frames without a pose. cut: frames in which a keypoint is outside the picture."
    )
    yield (
        "**Is anything missing, or an error?** What `dancenow dataset validate` finds; the table above is from the same check."
    )
    real = "No: nobody in it exists." if dataset.kind == "rendered" else "Yes: people can be recognised by face and body."
    yield f"**Does it tell of people who can be identified?** {real}"


def _sizes(dataset: Dataset) -> str:
    counts = Counter(
        f"{e.info['width_px']}x{e.info['height_px']} px at {e.info['fps']} frames a second" for e in dataset.entries
    )
    return (
        "; ".join(f"{count} of {what}" if len(counts) > 1 else what[0].upper() + what[1:] for what, count in counts.items())
        + "."
    )


def _people_table(people: Sequence[PersonFacts]) -> str:
    rows = [
        "| person | clips | s | height | distinct poses | front / side / back | moves | face | missing | cut |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for p in people:
        facing = f"{p.front:.0%} / {p.side:.0%} / {p.back:.0%}"
        rows.append(
            f"| {p.identity} | {p.clips} | {p.seconds:.0f} | {p.height_px:.0f} px | {p.distinct_poses} | {facing} |"
            f" {p.moves:.0%} | {p.face_visible:.0%}, {p.face_px:.0f} px | {p.missing:.0%} | {p.cut:.0%} |"
        )
    return "\n".join(rows)


def _builds(dataset: Dataset) -> str:
    among = set(dataset.identities)
    people = [person for name, person in dict(dataset.about.get("identities", {})).items() if name in among]
    hair = Counter(str(person["hair"]) for person in people)
    legs = Counter(str(person["bottom"]) for person in people)
    gender = Counter("more masculine" if person["phenotype"]["gender"] < 0.5 else "more feminine" for person in people)
    counted = "; ".join(", ".join(f"{count} {what}" for what, count in sorted(each.items())) for each in (gender, hair, legs))
    return (
        f"**Who is shown?** Builds, skin, hair and clothes are drawn at random and independently of one another: {counted}."
        " Grown-ups and teenagers; no children, nobody old, nobody with an impairment that shows."
    )


def _collection(dataset: Dataset) -> Iterator[str]:
    if dataset.kind == "rendered":
        yield (
            "**How was it collected?** It was not: `dancenow dataset make` rendered it from parametric bodies (CC0), with these"
            f" settings, and renders it again from them: {_settings(dataset.about.get('config', {}))}."
            f" {dataset.about['made_by']}."
        )
        yield "**Did the people agree?** There are none: the record of consent says `rendered`, nobody real is in the video."
        return
    yield "**How was it collected?** Filmed by or for whoever made it, and prepared by `dancenow prepare`."
    rows = ["| subject | consent | scope | given | licence | document |", "|---|---|---|---|---|---|"]
    for entry in dataset.entries:
        record = entry.info.get("consent") or {}
        licence = record.get("licence") or entry.info.get("licence") or ""
        document = "sha256 " + record["document_sha256"][:16] if record.get("document_sha256") else ""
        given = f"{record['date']}{', WITHDRAWN ' + record['withdrawn'] if record.get('withdrawn') else ''}" if record else ""
        kind = f"{record['kind']}: {record['person']}" if record else "NONE"
        rows.append(f"| {entry.key} | {kind} | {record.get('scope', '')} | {given} | {licence} | {document} |")
    yield "**Did the people agree?**\n\n" + "\n".join(rows)
    yield "**Can they withdraw?** Yes: `dancenow consent SUBJECT --revoke`; what is packed has to be packed anew without them."


def _settings(config: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())


def _labels(rendered: bool) -> Iterator[str]:
    if rendered:
        yield (
            "**How were the labels made?** Poses, depths, masks, faces and empty rooms come from the renderer and are exact,"
            " hidden points included. CLIP.npz: track of 28 keypoints (px, px-scaled depth). CLIP.masks.mkv: the person, soft"
            " at the edge. CLIP.background.png: the room without the dancer and without noise. CLIP.faces.npz: box of the"
            " head, where the face is turned, whether it shows, nose, eyes and ears."
        )
        yield "The pictures are compressed with H.264, so they differ a little from what was rendered."
    else:
        yield (
            "**How were the labels made?** Poses and masks by a detector, which makes mistakes; the background is estimated"
            " from the footage where it was seen, and filled where it was not."
        )


def _splits(dataset: Dataset) -> Iterator[str]:
    for name, says in dict(dataset.about.get("protocols", {})).items():
        yield f"**Protocol `{name}`.** {says}"
    if dataset.kind == "rendered":
        rows = ["| protocol | train | val | test | left out |", "|---|---|---|---|---|"]
        for protocol in ("person", "dance", "both"):
            counts = Counter(entry.part(protocol) for entry in dataset.entries)
            rows.append(f"| {protocol} | " + " | ".join(str(counts[part]) for part in (*PARTS, None)) + " |")
        rows.append(f"| time | {' | '.join(_spans(dataset, part) for part in PARTS)} | the gaps |")
        yield "\n".join(rows)
        yield f"**Pairs across people.** {dataset.about['pairs']}"


def _spans(dataset: Dataset, part: str) -> str:
    spans = [entry.info["spans_s"].get(part) for entry in dataset.entries]
    seconds = sum(stop - start for start, stop in (span for span in spans if span is not None))
    return f"{seconds:.1f} s"


def _uses(dataset: Dataset, facts: Facts) -> Iterator[str]:
    yield (
        "**What may it be used for?** Training and judging motion transfer, pose estimation, matting and the detection of"
        " synthetic video. What is generated from it should say that it is synthetic, as dancenow's videos do."
    )
    if dataset.kind == "rendered":
        yield (
            "**What should it not be used for?** Rendered truth is not camera truth: light, cloth, hair and motion are simpler"
            " than in life, cameras stand still, and one person is alone in a plain room. A result on this dataset is no"
            " result on people. Bodies, skin and dances are random, not representative of anybody."
        )
    else:
        yield (
            "**What should it not be used for?** Anything that the people did not agree to: the table of consents says to what"
            " they did. Not to recognise people, and not to show them doing what they would not."
        )
    unseen = sorted({move for person in facts.people for move in person.unseen_moves})
    if unseen and facts.people:
        never = [move for move in unseen if all(move in person.unseen_moves for person in facts.people)]
        yield f"**What lacks?** Moves that nobody shows: {', '.join(never) or 'none'}."


def _distribution(source: FolderSource | ShardSource) -> Iterator[str]:
    yield (
        f"**Under which licence?**"
        f" {source.dataset.about.get('licence') or 'None that holds for all; see the table of consents'}."
    )
    if isinstance(source, ShardSource):
        yield (
            f"**In what form?** {len(source.shards.shards)} shards in the WebDataset layout: a clip is a run of members"
            " CLIP.ending. SHA256SUMS has the checksums (`sha256sum -c SHA256SUMS`), clips.csv a row for each clip,"
            " croissant.json the same for machines. `dancenow dataset open` reads and unpacks them."
        )
    else:
        yield "**In what form?** A folder; `dancenow dataset package` makes shards of it."


def _maintenance(dataset: Dataset) -> Iterator[str]:
    if dataset.kind == "rendered":
        yield (
            "**Who keeps it up?** Nobody needs to: the settings above make it again, and make it larger with the same clips in"
            " it."
        )
    else:
        yield "**Who keeps it up?** Whoever hands it out, who also has to see to withdrawals of consent."
