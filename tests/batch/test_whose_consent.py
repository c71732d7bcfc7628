"""Whose consent it is: one that is given for one person never counts for another, and never gets their name."""

from pathlib import Path

import pytest

from dancenow.batch.job_settings import Settings
from dancenow.batch.jobs import JobRow, read_jobs
from dancenow.batch.opening import open_jobs
from dancenow.errors import ConsentError, InputError, OptionError
from helpers.drawn_world import dancer_track, film

HEADER = "source,target,dancer,out,target_person,consent,consent_file,person_name,licence"
OF_BOB = Settings(consent="licensed", person_name="Bob", licence="CC0-1.0")


def read(tmp_path: Path, line: str, options: Settings) -> JobRow:
    path = tmp_path / "jobs.csv"
    path.write_text(f"{HEADER}\n{line}\n", "utf-8")
    (row,) = read_jobs(path, options)
    return row


def terms(row: JobRow) -> list[tuple[str | None, ...]]:
    """Kind, name and license of each dancer."""
    return [(each.settings.consent, each.settings.person_name, each.settings.licence) for each in row.dancers]


@pytest.mark.parametrize("people", ["1=1; 2=2", "2=2"])
@pytest.mark.parametrize(("cells", "given"), [("self,", "consent 'self'"), (",paper.toml", "consent_file 'paper.toml'")])
def test_a_consent_is_not_of_two_people_of_one_video(people: str, cells: str, given: str, tmp_path: Path) -> None:
    with pytest.raises(ConsentError, match=rf"line 2: {given} is of one person; write whose it is, as in 1="):
        read(tmp_path, f"d.mp4,,1=duo.mp4; 2=duo.mp4,o,{people},{cells},,", Settings())


def test_a_video_is_the_same_by_all_its_names(tmp_path: Path) -> None:
    (tmp_path / "ann.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("ann.mp4")
    row = read(tmp_path, "d.mp4,,1=ann.mp4; 2=./ann.mp4; 3=link.mp4,o,1=01; 2=1; 3=1,self,,,", Settings())
    assert [each.settings.consent for each in row.dancers] == ["self"] * 3
    assert terms(read(tmp_path, "d.mp4,,1=ann.mp4; 2=link.mp4,o,,,,,", OF_BOB)) == [("licensed", "Bob", "CC0-1.0")] * 2


def test_a_name_that_no_file_can_have_is_missing(tmp_path: Path) -> None:
    film(tmp_path / "d.mp4", dancer_track(6))
    with pytest.raises(InputError, match=r"line 2: .* does not exist"):
        open_jobs([read(tmp_path, "d.mp4,,1=a\0.mp4; 2=b\0.mp4,o,,,,,", Settings())], tmp_path / "out")


@pytest.mark.parametrize(
    "options",
    [Settings(consent="self"), Settings(consent_file="paper.json"), OF_BOB, Settings(target_person=1, consent="self")],
)
@pytest.mark.parametrize(
    ("line", "silent"),
    [
        ("1=ann.mp4; 2=bob.mp4,o,,,,,", 1),
        ("1=ann.mp4; 2=bob.mp4,o,,1=self,,,", 2),
        ("1=ann.mp4; 2=bob.mp4,o,,,2=bob.toml,,", 1),
        ("1=ann.mp4; 2=bob.mp4,o,,1=self,,,1=MIT; 2=MIT", 2),
        ("1=duo.mp4; 2=duo.mp4,o,2=2,2=self,,,", 1),
    ],
)
def test_a_consent_in_the_options_is_not_of_several_people(options: Settings, line: str, silent: int, tmp_path: Path) -> None:
    sentence = rf"line 2: the consent in the options is of one person, and several dance here; .*as in {silent}=self\.$"
    with pytest.raises(ConsentError, match=sentence):
        read(tmp_path, f"d.mp4,,{line}", options)


def test_a_license_in_the_options_is_of_all_whose_names_the_row_gives(tmp_path: Path) -> None:
    line = "d.mp4,,1=ann.mp4; 2=cid.mp4,o,,,,1=Ann; 2=Cid,"
    assert terms(read(tmp_path, line, OF_BOB)) == [("licensed", "Ann", "CC0-1.0"), ("licensed", "Cid", "CC0-1.0")]
    with pytest.raises(ConsentError, match="the consent in the options is of one person"):
        read(tmp_path, line, Settings(consent="self"))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("me.mp4,,o,,self,,,", [("self", None, None)]),
        ("me.mp4,,o,,licensed,,Ann,", [("licensed", "Ann", None)]),
        ("me.mp4,,o,,,paper.toml,,", [(None, None, None)]),
        ("me.mp4,,o,,,,Ann,", [("licensed", "Ann", "CC0-1.0")]),
        (",1=me.mp4,o,,1=self,,,", [("self", None, None)]),
        (",1=me.mp4; 2=ann.mp4,o,,1=self; 2=licensed,,2=Ann,2=MIT", [("self", None, None), ("licensed", "Ann", "MIT")]),
    ],
)
def test_the_consent_of_a_row_replaces_name_and_license_of_the_options(
    line: str, found: list[tuple[str | None, ...]], tmp_path: Path
) -> None:
    assert terms(read(tmp_path, f"d.mp4,{line}", OF_BOB)) == found


def test_a_record_never_has_the_name_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANCENOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DANCENOW_HOME", str(tmp_path / "home"))
    film(tmp_path / "d.mp4", dancer_track(6))
    film(tmp_path / "me.mp4", dancer_track(8))
    (job,) = open_jobs([read(tmp_path, "d.mp4,me.mp4,,o,,self,,,", OF_BOB)], tmp_path / "out")
    agreed = job.dancers[0].consent
    assert (agreed.kind, agreed.licence) == ("self", None)
    assert agreed.person != "Bob"


@pytest.mark.parametrize("cells", ["1=2,,,,", ",1=self,,,", ",,1 = a.toml,,", ",licensed,,1=Ann,MIT", ",licensed,,Ann,1=MIT"])
def test_numbers_go_with_the_column_dancer(cells: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"line 2: \w+ '1 ?=.*' has a number, and numbers go with the column dancer"):
        read(tmp_path, f"d.mp4,a.mp4,,o,{cells}", Settings())
