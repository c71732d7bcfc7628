"""Card of a dataset: a datasheet for people, Croissant for machines, and the table of clips.

All numbers are computed from the data; the same data gives the same bytes.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from dancenow.research.dataset.datasheet import datasheet
from dancenow.research.dataset.findings import DatasetStatistics
from dancenow.research.dataset.source import FolderSource, ShardSource, to_json_text
from dancenow.research.dataset.table import COLUMNS, TABLE, table_text
from dancenow.storage.atomic_io import complete_or_absent

DATASHEET: Final = "README.md"
CROISSANT: Final = "croissant.json"
CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.0"
_LICENCES: Final = {"CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/"}
_CITE: Final = "@misc{{dancenow, title = {{{title}}}, note = {{made with dancenow}}}}"


def write_card(
    source: FolderSource | ShardSource, folder: Path, statistics: DatasetStatistics, *, url: str | None = None
) -> list[Path]:
    """Write README.md, clips.csv and croissant.json into a folder.

    url: where the dataset will be published, for Croissant.

    Raises:
        UserError: the folder is not writable.
    """
    texts = {TABLE: table_text(source), DATASHEET: datasheet(source, statistics)}
    texts[CROISSANT] = to_json_text(croissant(source, texts[TABLE], url))
    for name, text in texts.items():
        with complete_or_absent(folder / name) as temporary:
            temporary.write_bytes(text.encode())
    return [folder / name for name in texts]


def croissant(source: FolderSource | ShardSource, table: str, url: str | None = None) -> dict[str, Any]:
    """Return the dataset as Croissant 1.0 (MLCommons, 2024), JSON-LD. table: text of clips.csv, to which the records refer."""
    about = source.dataset.about
    title = str(about["title"])
    licence = about.get("licence") or "LicenseRef-See-Consent"
    place = {"url": url} if url else {}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": title.replace(" ", "-"),
        "description": _description(source),
        "license": _LICENCES.get(str(licence), str(licence)),
        "version": "1.0.0",
        "citeAs": _CITE.format(title=title),
        "keywords": ["dance", "human pose", "motion transfer", "video"],
        "isLiveDataset": False,
        **place,
        "distribution": [_file(TABLE, "text/csv", table.encode()), *_files(source)],
        "recordSet": [_record_set()],
    }


def _description(source: FolderSource | ShardSource) -> str:
    dataset = source.dataset
    origin = "rendered, nobody real is shown" if dataset.kind == "rendered" else "filmed with consent"
    return (
        f"Videos of single dancers, {origin}: {len(dataset.identities)} people, {len(dataset.entries)} clips,"
        f" {dataset.num_frames} frames, with pose tracks, masks and empty backgrounds. The datasheet is in"
        " README.md."
    )


def _file(name: str, kind: str, content: bytes) -> dict[str, Any]:
    return _file_object(name, kind, len(content), hashlib.sha256(content).hexdigest())


def _file_object(name: str, kind: str, size: int, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": kind,
        "sha256": sha256,
    }


def _files(source: FolderSource | ShardSource) -> list[dict[str, Any]]:
    """Return the shards and their content, or the files of a folder, which the table lists."""
    if isinstance(source, ShardSource):
        shards = [_file_object(each.name, "application/x-tar", each.bytes, each.sha256) for each in source.shards.shards]
        inside = [{"@id": shard["@id"]} for shard in shards]
        return [*shards, *(_file_set(what, kind, f"*.{ending}", inside) for what, kind, ending in _file_types(source))]
    return [_file_set(what, kind, f"**/*.{ending}", []) for what, kind, ending in _file_types(source)]


def _file_types(source: FolderSource | ShardSource) -> list[tuple[str, str, str]]:
    if source.dataset.kind == "rendered":
        return [("videos", "video/mp4", "mp4"), ("tracks", "application/octet-stream", "npz")]
    return [("tracks", "application/octet-stream", "track.npz"), ("manifests", "application/json", "manifest.json")]


def _file_set(what: str, kind: str, pattern: str, inside: list[dict[str, str]]) -> dict[str, Any]:
    where = {"containedIn": inside if len(inside) > 1 else inside[0]} if inside else {}
    return {"@type": "cr:FileSet", "@id": what, "name": what, "encodingFormat": kind, "includes": pattern, **where}


def _record_set() -> dict[str, Any]:
    """Return the rows of the table as records."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"clips/{name}",
            "name": name,
            "description": description,
            "dataType": kind,
            "source": {"fileObject": {"@id": TABLE}, "extract": {"column": name}},
        }
        for name, (kind, description) in COLUMNS.items()
    ]
    return {"@type": "cr:RecordSet", "@id": "clips", "name": "clips", "description": "One record per clip.", "field": fields}


_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
