"""Attacks on the page, each attempted against a running server and refused."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dancenow.cli import main as cli
from dancenow.errors import OptionError
from dancenow.web.passwords import Users, read_passwords
from helpers.web_server import drawn_server

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow  # starts two servers

SECRET = "ann:correct horse\nbob:battery staple\n"
COMMON = {"Host": "127.0.0.1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("open")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """A server without a password, with a job of a user and a secret file beside its data."""
    (folder / "secret.txt").write_text("secret")
    job = folder / "data" / "jobs" / ("ab" * 16)
    job.mkdir(parents=True)
    fields = {"number": job.name, "owner": "somebody else", "created_s": 1, "source": "source.mp4", "source_label": "private"}
    (job / "job.json").write_text(json.dumps(fields | {"state": "waiting", "settings": {}}))
    (job / "source.mp4").write_text("secret")
    with drawn_server(folder, "--max-mb", "1") as running:
        yield running


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with drawn_server(tmp_path_factory.mktemp("locked"), passwords=SECRET) as running:
        yield running


def ask(port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> tuple[int, str, str]:
    """Status, body and cookie of an answer. The path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in (COMMON | (headers or {})).items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, text, (answer.getheader("Set-Cookie") or "").partition(";")[0]


def log_in(port: int, name: str, password: str) -> tuple[int, str]:
    form = f"name={name}&password={password.replace(' ', '+')}".encode()
    status, _, cookie = ask(port, "POST", "/login", {"Content-Type": "application/x-www-form-urlencoded"}, form)
    return status, cookie


def test_no_file_outside_of_a_users_jobs_can_be_read(port: int, folder: Path) -> None:
    job, secret = "ab" * 16, folder / "secret.txt"
    paths = [
        f"/gradio_api/file={secret}", "/gradio_api/file=/etc/passwd", f"/file={secret}", f"/gradio_api/file/{secret}",
        f"/files/{job}/source.mp4", f"/files/{job}/job.json", f"/files/{job}/..%2f..%2f..%2fsecret.txt",
        "/files/../../secret.txt", "/files/%2e%2e/%2e%2e/secret.txt", f"/files/{job}/%2fetc%2fpasswd",
        "/static/../../../etc/passwd",
        "/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "/static/%2e%2e/%2e%2e/%2e%2e/routes.py",
        "/svelte/..%2froutes.py",
        f"/gradio_api/file={folder}/data/jobs/{job}/source.mp4", "/custom_component/1/client/component/../../x", "//etc/passwd",
        "/gradio_api/stream/a/b/c/playlist.m3u8", "/gradio_api/runs", "/gradio_api/openapi.json", "/docs", "/monitoring",
    ]  # fmt: skip
    for path in paths:
        status, text, _ = ask(port, "GET", path)
        assert status in (400, 403, 404), path
        assert "secret" not in text, path
        assert "root:" not in text, path


def test_no_other_site_can_be_fetched_through_the_page_nor_unused_routes_called(port: int) -> None:
    for path in ("/gradio_api/proxy=http://example.com/", "/gradio_api/proxy=https://huggingface.co/spaces/x"):
        assert ask(port, "GET", path)[0] == 404
    unused = ("run/predict", "api/predict", "call/_add", "call/v2/_add", "component_server", "process_recording", "vibe-edit/")
    for path in unused:
        assert ask(port, "POST", f"/gradio_api/{path}", {"Content-Type": "application/json"}, b"{}")[0] == 404, path


def test_a_name_of_another_site_does_not_lead_here(port: int) -> None:
    assert ask(port, "GET", "/", {"Host": "evil.example"})[0] == 403
    for host in ("127.0.0.1.evil.example:80", "[", "", "evil@127.0.0.1", "127.0.0.1:80@evil.example"):
        assert ask(port, "GET", "/", {"Host": host})[0] == 403
    assert ask(port, "GET", "/", {"Host": "localhost:1"})[0] == 200


def test_other_sites_can_neither_send_nor_frame(port: int) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(port, "POST", "/gradio_api/upload", headers)[0] == 403
        assert ask(port, "POST", "/gradio_api/queue/join", headers)[0] == 403
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    policy = connection.getresponse().getheader("Content-Security-Policy") or ""
    connection.close()
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


def multipart(name: str, content: bytes) -> tuple[dict[str, str], bytes]:
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: video/mp4\r\n\r\n'
    return {"Content-Type": "multipart/form-data; boundary=x"}, head.encode() + content + b"\r\n--x--\r\n"


def test_uploads_stay_in_their_folder_whatever_their_name(port: int, folder: Path) -> None:
    before = {path for path in folder.rglob("*") if "uploads" not in path.parts}
    for name in ("../../evil.mp4", "/tmp/dancenow-evil.mp4", "..\\evil.mp4", "%2e%2e%2fevil.mp4", "a" * 3000 + ".mp4"):
        status, text, _ = ask(port, "POST", "/gradio_api/upload", *multipart(name, b"evil"))
        if status == 200:
            for written in json.loads(text):
                assert Path(written).resolve().is_relative_to(folder / "data" / "uploads"), name
    assert not Path("/tmp/dancenow-evil.mp4").exists()
    assert {path for path in folder.rglob("*") if "uploads" not in path.parts} == before


def test_uploads_that_are_too_large_are_refused(port: int, folder: Path) -> None:
    assert ask(port, "POST", "/gradio_api/upload", *multipart("a.mp4", b"x" * (3 << 20)))[0] == 413
    with socket.create_connection(("127.0.0.1", port)) as sender:  # without saying how large
        headers, body = multipart("b.mp4", b"x" * (3 << 20))
        start = f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {headers['Content-Type']}\r\n"
        sender.sendall(f"{start}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        assert b" 413 " in sender.recv(100)
    assert sum(path.stat().st_size for path in (folder / "data" / "uploads").rglob("*") if path.is_file()) < 1 << 20


def test_events_take_no_files_that_were_not_uploaded(port: int, folder: Path) -> None:
    own = folder / "data" / "jobs" / ("cd" * 16)
    own.mkdir()
    fields = {
        "number": own.name,
        "owner": "me",
        "created_s": 1,
        "source": "source.mp4",
        "source_label": "a",
        "target": "target.mp4",
    }
    (own / "job.json").write_text(json.dumps(fields | {"state": "waiting", "settings": {}}))
    (own / "check.json").write_text(json.dumps({"source": {"people": 2}, "target": {"people": 1}}))
    config = json.loads(ask(port, "GET", "/config")[1])
    events = {each["api_name"]: each["id"] for each in config["dependencies"]}
    stolen = {"path": str(folder / "secret.txt"), "meta": {"_type": "gradio.FileData"}, "orig_name": "a.mp4"}
    before = sorted((folder / "data" / "jobs").rglob("*"))
    for name, data in (
        ("_add", [stolen, stolen, None]),
        ("_add_dancer", [own.name, stolen, None]),
        ("_add_dancer", ["ab" * 16, stolen, None]),
        ("_add_dancer", [own.name, None, "../../secret.txt"]),
        ("_add_dancer", [own.name, None, f"{own.name}/../secret.txt"]),
    ):
        body = json.dumps({"data": data, "fn_index": events[name], "session_hash": "abc", "event_data": None}).encode()
        status, _, _ = ask(port, "POST", "/gradio_api/queue/join", {"Content-Type": "application/json"}, body)
        assert status in (200, 400)
    time.sleep(1.0)
    assert sorted((folder / "data" / "jobs").rglob("*")) == before
    assert json.loads((own / "job.json").read_text())["state"] == "waiting"
    assert (folder / "secret.txt").read_text() == "secret"


def test_nothing_is_answered_without_a_session(locked: int) -> None:
    for method, path in (
        ("GET", "/config"), ("GET", "/assets/x.js"), ("GET", f"/files/{'ab' * 16}/source.mp4"), ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/queue/join"), ("GET", "/gradio_api/queue/data?session_hash=x"),
        ("GET", "/?job=x&__theme=dark/.."),
    ):  # fmt: skip
        assert ask(locked, method, path)[0] in (303, 401), path
        assert ask(locked, method, path, {"Cookie": "dancenow=forged"})[0] in (303, 401), path
    assert "gradio" not in ask(locked, "GET", "/login")[1]


def test_passwords_are_checked_and_guessing_is_slow(locked: int) -> None:
    assert log_in(locked, "ann", "battery staple")[0] == 401
    assert log_in(locked, "ann", "correct horse")[0] == 401, "too soon after a wrong one"
    time.sleep(1.1)
    status, cookie = log_in(locked, "ann", "correct horse")
    assert status == 303
    assert ask(locked, "GET", "/", {"Cookie": cookie})[0] == 200
    assert ask(locked, "POST", "/login", {}, b"name=ann&password=" + b"x" * 100_000)[0] in (401, 413)
    assert ask(locked, "GET", "/logout", {"Cookie": cookie})[0] == 303
    assert ask(locked, "GET", "/config", {"Cookie": cookie})[0] == 401


def test_other_machines_are_let_in_only_with_a_password(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DANCENOW_WEB_PASSWORD", raising=False)
    for arguments in (["--host", "0.0.0.0"], ["--host", "::"], ["--password-file", str(tmp_path / "absent")], ["--port", "0"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["web", "--data", str(tmp_path), *arguments])
        assert stopped.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_password_files_are_understood_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passwords"
    file.write_text("ann:with:colons inside\nbob:battery staple\n")
    assert read_passwords(file) == {"ann": "with:colons inside", "bob": "battery staple"}
    for wrong in (
        "",
        "ann:short\n",
        "ann:long enough\nann:long enough\n",
        "ann:long enough\nno colon here\n",
        ":long enough\n",
    ):
        file.write_text(wrong)
        with pytest.raises(OptionError):
            read_passwords(file)
    monkeypatch.setenv("DANCENOW_WEB_PASSWORD", "one for all")
    assert read_passwords(None) == {"me": "one for all"}


def test_sessions_end(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users.of({"ann": "correct horse"})
    token = users.log_in("ann", "correct horse")
    assert token is not None
    assert users.user_of(token) == "ann"
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 8 * 24 * 3600)
    assert users.user_of(token) is None
    assert users.user_of("") is None
