"""Jobs as people write them: what is read, and how mistakes are named."""

from pathlib import Path

import pytest

from dancenow.batch.job_settings import Settings
from dancenow.batch.jobs import read_jobs
from dancenow.batch.opening import open_jobs
from dancenow.errors import ConsentError, UserError
from dancenow.provenance.consent import withdraw
from dancenow.storage.atomic_io import sha256_of
from dancenow.subject.subject_cache import require_video_consent
from helpers.drawn_world import dancer_track, film


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "jobs.csv"
    path.write_text(text, "utf-8")
    return path


def test_rows_give_the_videos_and_change_the_settings(tmp_path: Path) -> None:
    path = write(tmp_path, "source,target,out,budget,seed\nwaltz.mp4,ann.mp4,one,,\n\nwaltz.mp4,bob.mp4,b/two.mov,4m,7\n")
    one, two = read_jobs(path, Settings(budget="90s", preset="hd"))
    assert (one.source, one.dancers[0].target, str(one.out)) == (tmp_path / "waltz.mp4", tmp_path / "ann.mp4", "one.mp4")
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
        ("source,out\n", "line 1: the column 'target' is missing"),
        ("source,dancer,out\na,,c\n", "line 2: the target is empty; give a target, or dancers as 1=me.mp4"),
        ("source,target,dancer,out\na,b,1=b,c\n", "line 2: target and dancer cannot be combined"),
        ("source,dancer,out\na,b.mp4,c\n", "line 2: cannot read 'b.mp4' in the column dancer; write it as 1=me.mp4"),
        ("source,dancer,out\na,0=b,c\n", "line 2: cannot read '0=b' in the column dancer"),
        ("source,dancer,out\na,1=b; d,c\n", "line 2: cannot read 'd' in the column dancer"),
        ("source,dancer,out\na,1=b;01=d,c\n", "line 2: dancer gives person 1 twice"),
        ("source,dancer,out,source_person\na,1=b,c,1\n", "line 2: several dancers have their own numbers"),
        ("source,dancer,out,consent\na,1=b;2=d,c,self\n", "line 2: consent 'self' is of one person; write whose it is"),
        ("source,dancer,out,consent\na,1=b;2=d,c,3=self\n", "line 2: consent names person 3, whose part nobody dances"),
        ("source,dancer,out,target_person\na,1=b,c,1=x\n", "line 2: target_person is 'x', which is no number"),
        ("source,target,out,keep\na,b,c,legs\n", "line 2: keep is 'legs'; choose one of none, lower, upper"),
        ("source,target,out,consent,consent_file\na,b,c,self,d\n", "d cannot be combined with consent, person_name or licence"),
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
        "dance.mp4,person.mp4,a,self": "other terms are given elsewhere",
    }.items():
        path = write(tmp_path, f"source,target,out,consent\ndance.mp4,person.mp4,first,rendered\n{line}\n")
        with pytest.raises(UserError, match="line 3: ") as error:
            open_jobs(read_jobs(path, Settings()), tmp_path / "out")
        assert sentence in str(error.value)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "home" / "consents").exists()
    path = write(tmp_path, "source,target,out,consent\ndance.mp4,person.mp4,a,rendered\ndance.mp4,person.mp4,b,rendered\n")
    opened = [
        *open_jobs(read_jobs(path, Settings()), tmp_path / "out"),
        *open_jobs(read_jobs(path, Settings()), tmp_path / "out"),
    ]
    assert len({job.dancers[0].consent for job in opened}) == 1


def test_dancers_of_a_row_have_numbers_and_settings_of_their_own(tmp_path: Path) -> None:
    header = "source,target,dancer,out,keep,target_person,consent,consent_file,person_name"
    path = write(
        tmp_path,
        f"{header}\n"
        "duet.mp4,,2=ann.mp4; 1 = b=b.mp4;,one,lower,1=2,1=self,2=ann.toml,\n"
        "duet.mp4,,1=ann.mp4;2=ann.mp4,two,,3,licensed,,Ann\n"
        "duet.mp4,ann.mp4,,three,,,,,\n",
    )
    one, two, three = read_jobs(path, Settings(consent="licensed", licence="CC0-1.0"))
    ann, bob = one.dancers
    assert [(each.source_person, each.target) for each in (ann, bob)] == [(2, tmp_path / "ann.mp4"), (1, tmp_path / "b=b.mp4")]
    assert (ann.settings.target_person, bob.settings.target_person, one.settings.keep) == (None, 2, "lower")
    assert (ann.settings.consent, ann.settings.consent_file) == (None, str(tmp_path / "ann.toml"))
    assert (bob.settings.consent, bob.settings.consent_file) == ("self", None)
    assert [each.settings.target_person for each in two.dancers] == [3, 3]
    assert {(each.settings.consent, each.settings.person_name, each.settings.licence) for each in two.dancers} == {
        ("licensed", "Ann", None)
    }
    assert [(each.source_person, each.settings.consent) for each in three.dancers] == [(None, "licensed")]


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a dance and two people, of whom nobody has said yet that they agree."""
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    for name, num_frames in {"dance": 6, "ann": 8, "bob": 9}.items():
        film(tmp_path / f"{name}.mp4", dancer_track(num_frames))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1=ann.mp4; 2=bob.mp4,,1=self", r"the person in .*bob\.mp4 has no consent on record"),
        ("1=ann.mp4; 2=bob.mp4,,2=self", r"the person in .*ann\.mp4 has no consent on record"),
        ("1=ann.mp4; 2=ann.mp4,,1=self; 2=rendered", r"other terms are given elsewhere for the person in .*ann\.mp4"),
        ("1=ann.mp4; 2=missing.mp4,,1=self; 2=self", r"missing\.mp4"),
        ("1=ann.mp4; 2=bob.mp4,paper,1=self; 2=rendered", "whole frames generates their background, too, so it dances alone"),
    ],
)
def test_every_dancer_is_checked_before_any_work(line: str, sentence: str, people: Path) -> None:
    path = write(people, f"source,out,dancer,preset,consent\ndance.mp4,a,{line}\n")
    with pytest.raises(UserError, match=rf"line 2: .*{sentence}"):
        open_jobs(read_jobs(path, Settings()), people / "out")
    assert not (people / "home" / "consents").exists()


def test_a_signed_consent_is_read_from_its_file(people: Path) -> None:
    (people / "papers").mkdir()
    (people / "papers" / "ann.pdf").write_bytes(b"signed")
    paper = people / "papers" / "ann.toml"
    paper.write_text('person = "Ann Lee"\ndocument = "ann.pdf"\n')
    text = "source,out,dancer,consent,consent_file\ndance.mp4,a,1=ann.mp4; 2=bob.mp4,2=rendered,1=papers/ann.toml\n"
    (job,) = open_jobs(read_jobs(write(people, text), Settings(consent="self")), people / "out")
    ann, bob = (dancer.consent for dancer in job.dancers)
    assert (ann.kind, ann.person, ann.document, bob.kind) == ("licensed", "Ann Lee", "ann.pdf", "rendered")
    assert ann.document_sha256 == sha256_of(people / "papers" / "ann.pdf")
    assert require_video_consent(people / "ann.mp4", None, None) == ann
    without = write(people, "source,target,out\ndance.mp4,ann.mp4,a\n")
    (job,) = open_jobs(read_jobs(without, Settings(consent_file=str(paper))), people / "out")
    assert job.dancers[0].consent == ann
    withdraw(job.dancers[0].target.sha256)
    with pytest.raises(ConsentError, match=r"line 2: .*was withdrawn"):
        open_jobs(read_jobs(write(people, text), Settings()), people / "out")
    for content, sentence in (('person = "Ann"\n', "needs its license"), ("?", "neither valid JSON nor valid TOML")):
        paper.write_text(content)
        with pytest.raises(ConsentError, match=rf"line 2: .*{sentence}"):
            open_jobs(read_jobs(write(people, text), Settings()), people / "out")
