"""Jobs as people write them: what is read, and how mistakes are named."""

from pathlib import Path

import pytest

from dancenow.batch.jobs import Settings, read_jobs
from dancenow.batch.opening import open_jobs
from dancenow.errors import UserError
from helpers.drawn_world import dancer_track, film


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "jobs.csv"
    path.write_text(text, "utf-8")
    return path


def test_rows_give_the_videos_and_change_the_settings(tmp_path: Path) -> None:
    path = write(tmp_path, "source,target,out,budget,seed\nwaltz.mp4,ann.mp4,one,,\n\nwaltz.mp4,bob.mp4,b/two.mov,4m,7\n")
    one, two = read_jobs(path, Settings(budget="90s", preset="hd"))
    assert (one.source, one.target, str(one.out)) == (tmp_path / "waltz.mp4", tmp_path / "ann.mp4", "one.mp4")
    assert (one.settings.budget, one.settings.seed, one.settings.preset) == ("90s", 0, "hd")
    assert (str(two.out), two.settings.budget, two.settings.seed) == ("b/two.mov", "4m", 7)
    assert two.place.endswith("jobs.csv, line 4")


def test_in_a_folder_every_target_dances_every_source(tmp_path: Path) -> None:
    for name in ("sources/waltz.mp4", "sources/jig.mov", "sources/.hidden", "targets/ann.mp4", "targets/bob.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    outs = {str(row.out) for row in read_jobs(tmp_path, Settings())}
    assert outs == {f"{who}-dances-{dance}.mp4" for who in ("ann", "bob") for dance in ("waltz", "jig")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: the column 'source' is missing"),
        ("source,target,out\n", "holds no jobs"),
        ("source,target,out,color\n", "line 1: the column 'color' is unknown"),
        ("source,target,out,seed,seed\n", "'seed' is unknown or given twice"),
        ("source,target,out\na,b,c\na,b\n", "line 3: there are 2 values for 3 columns"),
        ("source,target,out\na,,c\n", "line 2: the target is empty"),
        ("source,target,out,seed\na,b,c,x\n", "line 2: seed is 'x', which is no number"),
        ("source,target,out,normalize\na,b,c,guess\n", "line 2: normalize is 'guess'; choose one of"),
        ("source,target,out\na,b,../c\n", "line 2: the video '../c' must be a name inside"),
        ("source,target,out\na,b,/tmp/c\n", "must be a name inside"),
        ("source,target,out\na,b,c\na,d,C.mp4\n", "line 3: C.mp4 is also the video of"),
        ('source,target,out\na,b,"c\n', "no valid CSV"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"jobs\.csv") as error:
        read_jobs(write(tmp_path, text), Settings())
    assert sentence in str(error.value)


def test_what_is_wrong_with_a_video_or_its_consent_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    film(tmp_path / "dance.mp4", dancer_track(6))
    film(tmp_path / "person.mp4", dancer_track(8))
    for line, sentence in {
        "dance.mp4,missing.mp4,a,": "missing.mp4",
        "dance.mp4,dance.mp4,a,": "no consent on record",
        "dance.mp4,person.mp4,a,perhaps": "unknown kind of consent",
        "dance.mp4,person.mp4,a,self": "other terms",
    }.items():
        path = write(tmp_path, f"source,target,out,consent\ndance.mp4,person.mp4,first,rendered\n{line}\n")
        with pytest.raises(UserError, match="line 3: ") as error:
            open_jobs(read_jobs(path, Settings()), tmp_path / "out")
        assert sentence in str(error.value)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home" / "consents").exists()
    path = write(tmp_path, "source,target,out,consent\ndance.mp4,person.mp4,a,rendered\ndance.mp4,person.mp4,b,rendered\n")
    one, two = open_jobs(read_jobs(path, Settings()), tmp_path / "out")
    assert one.consent == two.consent == open_jobs(read_jobs(path, Settings()), tmp_path / "out")[0].consent
