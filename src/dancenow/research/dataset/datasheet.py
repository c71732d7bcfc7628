"""Datasheet of a dataset in Markdown: the questions of Gebru et al. (Datasheets for Datasets, 2021), answered from the data."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from dancenow.pose.move_classes import MOVES
from dancenow.research.dataset.findings import DatasetStatistics, PersonStatistics
from dancenow.research.dataset.index import Dataset
from dancenow.research.dataset.protocol import PARTS
from dancenow.research.dataset.source import FolderSource, ShardSource


def datasheet(source: FolderSource | ShardSource, statistics: DatasetStatistics) -> str:
    """Return the page."""
    dataset = source.dataset
    rendered = dataset.kind == "rendered"
    sections = (
        ("Motivation", _motivation(rendered)),
        ("Composition", _composition(dataset, statistics)),
        ("Collection and consent", _collection(dataset)),
        ("Preprocessing and labels", _labels(rendered)),
        ("Splits", _splits(dataset)),
        ("Uses and limits", _uses(dataset, statistics)),
        ("Distribution", _distribution(source)),
        ("Maintenance", _maintenance(dataset)),
    )
    body = "\n".join(f"## {title}\n\n" + "\n\n".join(paragraphs) + "\n" for title, paragraphs in sections)
    return f"# {dataset.about['title']}\n\nA datasheet after Gebru et al., Datasheets for Datasets (2021).\n\n{body}"


def _motivation(rendered: bool) -> Iterator[str]:
    yield (
        "**For what purpose was it made?** To train and evaluate motion transfer: the dance of a person in one video is"
        " transferred to the person in another."
    )
    if rendered:
        yield (
            "Recordings have no ground truth for a transfer between two people. Here several bodies perform the same dance,"
            " frame by frame, with exact poses and masks."
        )
    yield ("**Who made it?** The person who ran the command below. The authors of dancenow are not involved and not liable.")


def _composition(dataset: Dataset, statistics: DatasetStatistics) -> Iterator[str]:
    seconds = sum(float(entry.info["seconds"]) for entry in dataset.entries)
    size_mb = sum(entry.bytes for entry in dataset.entries) / 1e6
    yield (
        f"**What is in it?** {len(dataset.entries)} clips of {len(dataset.identities)} people: {dataset.num_frames} frames,"
        f" {seconds:.0f} s, {size_mb:.1f} MB. {_sizes(dataset)} Each shows one person."
    )
    yield _people_table(statistics.people)
    if dataset.kind == "rendered":
        yield _appearance(dataset)
    yield (
        "distinct poses: pairwise farther apart than what `dancenow check` counts as covered. moves: fraction of the"
        f" {len(MOVES)} named ones. face: fraction of frames in which it is visible, and the size of the head in them. missing:"
        " frames without a pose. cut: frames with a keypoint outside the image."
    )
    yield ("**Are there errors or missing data?** Run `dancenow dataset validate`; the table above is from the same checks.")
    identifiable = "No: the people do not exist." if dataset.kind == "rendered" else "Yes: by face and body."
    yield f"**Can people be identified?** {identifiable}"


def _sizes(dataset: Dataset) -> str:
    counts = Counter(f"{e.info['width_px']}x{e.info['height_px']} px at {e.info['fps']} fps" for e in dataset.entries)
    return (
        "; ".join(f"{count} of {what}" if len(counts) > 1 else what[0].upper() + what[1:] for what, count in counts.items())
        + "."
    )


def _people_table(people: Sequence[PersonStatistics]) -> str:
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


def _appearance(dataset: Dataset) -> str:
    names = set(dataset.identities)
    people = [person for name, person in dict(dataset.about.get("identities", {})).items() if name in names]
    hair = Counter(str(person["hair"]) for person in people)
    legs = Counter(str(person["bottom"]) for person in people)
    gender = Counter("more masculine" if person["phenotype"]["gender"] < 0.5 else "more feminine" for person in people)
    counted = "; ".join(", ".join(f"{count} {what}" for what, count in sorted(each.items())) for each in (gender, hair, legs))
    return (
        f"**Who is shown?** Body shape, skin, hair and clothes are sampled independently: {counted}. Adults and teenagers; no"
        " children, no old people, nobody with a visible impairment."
    )


def _collection(dataset: Dataset) -> Iterator[str]:
    if dataset.kind == "rendered":
        yield (
            "**How was it collected?** `dancenow dataset make` rendered it from parametric bodies (CC0) and can render it again"
            f" with these settings: {_settings(dataset.about.get('config', {}))}."
            f" {dataset.about['made_by']}."
        )
        yield "**Did the people give consent?** They are not real: the consent record has the kind `rendered`."
        return
    yield "**How was it collected?** Filmed by or for the person who made it, and prepared by `dancenow prepare`."
    rows = ["| subject | consent | scope | date | license | document |", "|---|---|---|---|---|---|"]
    for entry in dataset.entries:
        record = entry.info.get("consent") or {}
        licence = record.get("licence") or entry.info.get("licence") or ""
        document = "sha256 " + record["document_sha256"][:16] if record.get("document_sha256") else ""
        given = f"{record['date']}{', WITHDRAWN ' + record['withdrawn'] if record.get('withdrawn') else ''}" if record else ""
        kind = f"{record['kind']}: {record['person']}" if record else "NONE"
        rows.append(f"| {entry.key} | {kind} | {record.get('scope', '')} | {given} | {licence} | {document} |")
    yield "**Did the people give consent?**\n\n" + "\n".join(rows)
    yield "**Can they withdraw?** Yes: `dancenow consent SUBJECT --revoke`; the shards must then be packed again without them."


def _settings(config: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items())


def _labels(rendered: bool) -> Iterator[str]:
    if rendered:
        yield (
            "**How were the labels made?** Poses, depths, masks, faces and empty rooms come from the renderer and are exact,"
            " including occluded keypoints. CLIP.npz: track of 28 keypoints (px, px-scaled depth). CLIP.masks.mkv: person mask"
            " with soft edges. CLIP.background.png: the room without dancer and noise. CLIP.faces.npz: head box, direction"
            " and visibility of the face, nose, eyes and ears."
        )
        yield "The videos are compressed with H.264, so they differ slightly from the rendered images."
    else:
        yield (
            "**How were the labels made?** Poses and masks by a detector, which makes mistakes; the background is estimated"
            " from the footage and inpainted where it was never visible."
        )


def _splits(dataset: Dataset) -> Iterator[str]:
    for name, description in dict(dataset.about.get("protocols", {})).items():
        yield f"**Protocol `{name}`.** {description}"
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


def _uses(dataset: Dataset, statistics: DatasetStatistics) -> Iterator[str]:
    yield (
        "**What may it be used for?** Training and evaluating motion transfer, pose estimation, matting and the detection of"
        " synthetic video. Label generated videos as synthetic, as dancenow does."
    )
    if dataset.kind == "rendered":
        yield (
            "**What should it not be used for?** Renderings differ from camera footage: light, cloth, hair and motion are"
            " simpler, cameras do not move, and one person is alone in a plain room. Results on this dataset do not predict"
            " results on real people. Bodies, skin and dances are random, not representative."
        )
    else:
        yield (
            "**What should it not be used for?** Anything outside the scope in the table of consents. Do not use it to"
            " recognize people or to show them doing what they would not do."
        )
    unseen = sorted({move for person in statistics.people for move in person.unseen_moves})
    if unseen and statistics.people:
        never = [move for move in unseen if all(move in person.unseen_moves for person in statistics.people)]
        yield f"**What is missing?** Moves that nobody performs: {', '.join(never) or 'none'}."


def _distribution(source: FolderSource | ShardSource) -> Iterator[str]:
    yield (f"**Under which license?** {source.dataset.about.get('licence') or 'No common license; see the table of consents'}.")
    if isinstance(source, ShardSource):
        yield (
            f"**In what form?** {len(source.shards.shards)} shards in the WebDataset layout: a clip is a run of members"
            " CLIP.suffix. SHA256SUMS has the checksums (`sha256sum -c SHA256SUMS`), clips.csv one row per clip, croissant.json"
            " the same for machines. `dancenow dataset open` extracts the clips."
        )
    else:
        yield "**In what form?** A folder; `dancenow dataset package` packs it into shards."


def _maintenance(dataset: Dataset) -> Iterator[str]:
    if dataset.kind == "rendered":
        yield ("**Who maintains it?** Nobody needs to: the settings above reproduce it, also with more clips.")
    else:
        yield "**Who maintains it?** The person who distributes it, who must also handle withdrawals of consent."
