"""`dancenow detect`: where a video comes from, as far as it says so itself.

Reads and verifies the Content Credentials, then looks for the invisible mark; the work is `dancenow.marking.read_marks`.
"""

from pathlib import Path

import tyro


def detect(video: tyro.conf.Positional[Path], json: Path | None = None) -> None:
    """Say whether VIDEO carries signed Content Credentials, and dancenow's invisible mark.

    A video without either may still be synthetic: credentials are lost by re-encoding, and other tools leave other marks.

    Args:
        video: any video file.
        json: also write what was found to this file.
    """
    from json import dumps

    from dancenow.cli.console import console, live
    from dancenow.errors import UserError
    from dancenow.files import complete_or_absent, require_writable
    from dancenow.marking import read_marks

    if json is not None:
        if json.resolve() == video.resolve():
            raise UserError(f"{json} is the video; give the findings another name.")
        require_writable(json)
    with live() as listen:
        marks = read_marks(video, listen)
    if json is not None:
        with complete_or_absent(json) as temporary:
            temporary.write_text(dumps(marks.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for sentence in marks.sentences():
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
