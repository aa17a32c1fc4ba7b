"""The live view: its snapshot, its table, its server and its page."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from audit_example import build_audit
from examples import Data, Example, write_run
from rich.console import Console
from watch_example import COMMAND, begin_run, build_watched

from browsers import axe_violations
from headstart import store
from headstart.errors import InputError, ResourceError
from headstart.report import Watcher, WatchServer, watch_table
from headstart.report.watch._detail import describe_entry
from headstart.report.watch._resume import Resumer, words_to_resume
from headstart.results import read_listed_run, read_metrics

CHROMIUM = next(
    (
        path
        for path in (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser"))
        if path.exists()
    ),
    None,
)
LINUX = pytest.mark.skipif(not Path("/proc").is_dir(), reason="the system has no /proc")
# Holds the lock of a folder until it is asked to stop, as a command does.
HOLD = """
import signal, sys, threading
from pathlib import Path
from headstart import store
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
with store.claim(Path(sys.argv[1])):
    print("held", flush=True)
    while not stopped.wait(0.05): pass
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build_watched(tmp_path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read from now on."""
    opened: list[Path] = []
    read_bytes, path_open = Path.read_bytes, Path.open

    def record_bytes(path: Path) -> bytes:
        opened.append(path)
        return read_bytes(path)

    def record_open(path: Path, *args: Any, **keys: Any) -> Any:
        opened.append(path)
        return path_open(path, *args, **keys)

    monkeypatch.setattr(Path, "read_bytes", record_bytes)
    monkeypatch.setattr(Path, "open", record_open)
    return opened


@pytest.fixture
def server(root: Path) -> Iterator[WatchServer]:
    with WatchServer(root) as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120
    while not is_true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


def test_the_snapshot_lists_runs_and_studies_in_every_state(root: Path) -> None:
    entries = Watcher(root).snapshot().entries
    states = {name: entry.state for name, entry in entries.items() if entry.parent is None}
    assert states == {
        "single": "finished",
        "other/pretrained": "finished",
        "compared": "finished",
        "growing": "unfinished",
        "search": "unfinished",
        "damaged": "damaged",
    }
    assert "metrics.json" in entries["damaged"].problem
    assert entries["compared"].kind == "study" and "cnn" in entries["compared"].sentence
    assert entries["compared/runs/contender0-seed0"].parent == "compared"

    metrics = read_metrics(root / "single")
    assert metrics.test is not None
    test = entries["single"].test
    assert test is not None and test.accuracy == metrics.test.accuracy
    assert test.interval == metrics.test.interval and entries["single"].data == "digits"

    growing = entries["growing"]
    assert growing.progress == "step 240 of 800" and growing.seconds == 36.0
    assert growing.fraction == pytest.approx(0.294)
    assert growing.validation is not None and growing.validation.accuracy > 0.9
    assert growing.can_resume and growing.command == f"cd {Path.cwd()} && {COMMAND}"

    search = entries["search"]
    assert search.verb == "tune" and search.progress == "4 runs finished"
    assert search.validation is not None and not entries["search/runs/trial-0004-rung0"].can_resume


def test_a_study_that_trains_nothing_has_no_runs(tmp_path: Path) -> None:
    build_audit(tmp_path / "audit", Data(images=60))
    entry = Watcher(tmp_path).snapshot().entries["audit"]
    assert (entry.state, entry.progress) == ("finished", "no runs")


def test_heads_that_were_solved_have_no_epochs(root: Path) -> None:
    path = root / "single" / "metrics.json"
    content = json.loads(path.read_text())

    def progress(**changes: object) -> str:
        path.write_text(json.dumps({**content, **changes}))
        return Watcher(root).snapshot().entries["single"].progress

    solved, iterative = {"optimizer": "lbfgs"}, {"optimizer": "adam"}
    assert progress(epochs=1, recipe=solved) == "head solved"
    members = [{"recipe": recipe} for recipe in (solved, solved, iterative)]
    assert progress(epochs=14, recipe=solved, members=members) == "2 heads solved, 12 epochs"


def test_a_second_snapshot_of_1000_runs_reads_no_file(tmp_path: Path, reads: list[Path]) -> None:
    write_run(tmp_path / "run-0000", Example("cnn", 0.9), Data(images=20))
    for number in range(1, 1000):
        folder = tmp_path / f"run-{number:04d}"
        folder.mkdir()
        for name in ("metrics.json", "data.json", "curves.csv"):
            os.link(tmp_path / "run-0000" / name, folder / name)
    watcher = Watcher(tmp_path)
    reads.clear()
    first = watcher.snapshot()
    assert len(first.entries) == 1000
    names = [path.name for path in set(reads)]
    assert names.count("metrics.json") == names.count("data.json") == 1000

    reads.clear()
    assert watcher.snapshot() is first
    assert reads == []

    shutil.rmtree(tmp_path / "run-0500")
    write_run(tmp_path / "run-0500", Example("cnn", 0.9), Data(images=20, name="flowers"))
    reads.clear()
    second = watcher.snapshot()
    assert second.version == first.version + 1 and second.entries["run-0500"].data == "flowers"
    assert {path.parent.name for path in reads} == {"run-0500"}

    shutil.rmtree(tmp_path / "run-0001")
    assert len(watcher.snapshot().entries) == 999


def test_what_a_list_reads_of_a_run_is_what_its_metrics_say(root: Path, tmp_path: Path) -> None:
    metrics, listed = read_metrics(root / "single"), read_listed_run(root / "single")
    assert (listed.model, listed.seed, listed.recipe) == (
        metrics.model,
        metrics.seed,
        metrics.recipe,
    )
    content = json.loads((root / "single" / "metrics.json").read_text())
    content["test"]["accuracy"] = 7
    (root / "single" / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"metrics\.json: invalid test\.accuracy"):
        read_listed_run(root / "single")
    with pytest.raises(InputError, match=r"metrics\.json"):
        read_listed_run(root)


def test_a_run_whose_lock_is_held_is_in_progress_with_its_time_left(root: Path) -> None:
    watcher = Watcher(root)
    with store.claim(root / "growing"), store.claim(root / "search"):
        entries = watcher.snapshot().entries
        assert entries["growing"].state == "running" and not entries["growing"].can_resume
        left = entries["growing"].seconds_left()
        assert left is not None and 0 <= left <= 84  # 560 steps at 0.15 s
        assert entries["search"].time_limit == 600
        limit = entries["search"].seconds_left()
        fraction = entries["search"].fraction_now()
        assert limit is not None and limit <= 600 and fraction is not None and fraction >= 0
        assert entries["search"].state == "running"
    assert watcher.snapshot().entries["growing"].state == "unfinished"


def test_a_study_with_planned_runs_says_how_many_are_left(root: Path) -> None:
    plan = {"variants": ["a", "b", "c"], "seeds": [0, 1]}
    store.write_json(root / "search" / "study.json", {"study": "lr", "time_limit": None})
    store.write_json(root / "search" / "budget.json", plan)
    with store.claim(root / "search"):
        search = Watcher(root).snapshot().entries["search"]
    assert search.progress == "4 of 6 runs" and search.fraction is not None
    assert 4 / 6 < search.fraction < 5 / 6
    finished = 81.0  # the median time of its runs
    assert search.ends == pytest.approx(search.changed + 2 * finished, abs=5)


def test_what_is_not_a_run_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "copied").mkdir()
    (tmp_path / "copied" / "recipe.json").write_text("{}")
    (tmp_path / ".hidden").mkdir()
    begin_run(tmp_path / ".hidden" / "run", epochs=1)
    (tmp_path / "link").symlink_to(tmp_path / ".hidden")
    assert Watcher(tmp_path).snapshot().entries == {}
    with pytest.raises(InputError, match="is not a folder"):
        Watcher(tmp_path / "missing")


def test_damaged_files_of_every_kind_never_end_the_snapshot(root: Path) -> None:
    for path in root.rglob("*.json"):
        path.write_text('["\\ud800", 1]')
    entries = Watcher(root).snapshot().entries
    assert {entry.state for entry in entries.values()} == {"damaged"}
    for path in root.rglob("*.json"):
        path.write_bytes(b"\xff\x00")
    assert all(entry.problem for entry in Watcher(root).snapshot().entries.values())


def test_the_details_of_a_study_are_the_settings_in_which_its_runs_differ(root: Path) -> None:
    watcher = Watcher(root)
    watcher.snapshot()
    detail: Any = describe_entry(watcher, "search")
    assert detail["settings"]["search/runs/trial-0004-rung0"]["lr"] == "0.02"
    assert detail["settings"]["search/runs/trial-0000-rung0"]["optimizer"] == "sgd"

    run: Any = describe_entry(watcher, "growing")
    assert len(run["curves"]["epoch"]) == 12 and run["settings"]["lr"] == "0.1"
    for outside in ("../other", "/etc", "growing/../single", ""):
        with pytest.raises(InputError, match="there is no run or study"):
            describe_entry(watcher, outside)


def test_the_table_has_what_is_in_progress_first_and_fits_80_columns(root: Path) -> None:
    with store.claim(root / "growing"):
        entries = list(Watcher(root).snapshot().entries.values())
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(watch_table(entries, 3))
    text = console.export_text()
    lines = [line for line in text.splitlines() if line.strip()]
    assert all(len(line) <= 80 for line in lines)
    assert "growing" in lines[2] and "in progress" in lines[2] and "29%, step 240" in lines[2]
    assert "damaged" in lines[3] and "3 more runs and studies" in text
    assert "trial-0000" not in text


def request(
    server: WatchServer, method: str, path: str, **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    body = headers.pop("body", None)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def test_the_server_refuses_requests_without_token_host_or_content_type(
    server: WatchServer,
) -> None:
    token = server.token
    status, headers, text = request(server, "GET", f"/?token={token}")
    assert status == 200 and token in text and "TOKEN" not in text
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    for path in ("/", "/?token=wrong", "/watch.js", "/snapshot", "/entry?id=single"):
        assert request(server, "GET", path)[0] == 401
    assert request(server, "GET", f"/?token={token}", Host="evil.example")[0] == 403
    assert request(server, "GET", f"/?token={token}", Origin="http://evil.example")[0] == 403
    for path in ("/watch.html", "/../_server.py", "/other"):
        assert request(server, "GET", f"{path}?token={token}")[0] == 404

    body, json_type = '{"id": "growing"}', "application/json"
    right = {"X_Headstart_Token": token, "Content_Type": json_type}
    assert request(server, "POST", "/stop", body=body, Content_Type=json_type)[0] == 401
    in_query = request(server, "POST", f"/stop?token={token}", body=body, Content_Type=json_type)
    assert in_query[0] == 401
    for kind in ({}, {"Content_Type": "text/plain"}):
        answer = request(server, "POST", "/stop", body=body, X_Headstart_Token=token, **kind)
        assert answer[0] == 415
    assert request(server, "POST", "/stop", body="[]", **right)[0] == 422
    assert request(server, "POST", "/stop", body='{"id": 5}', **right)[0] == 422
    assert request(server, "POST", "/other", body=body, **right)[0] == 404
    status, _, text = request(server, "POST", "/stop", body=body, **right)
    assert status == 422 and "is not in use" in text
    trial = '{"id": "search/runs/trial-0004-rung0"}'
    assert "is part of a study" in request(server, "POST", "/stop", body=trial, **right)[2]
    assert request(server, "POST", "/resume", body=trial, **right)[0] == 422


def test_a_poll_without_changes_is_short_and_a_report_reaches_nothing(
    server: WatchServer, root: Path
) -> None:
    token = {"X_Headstart_Token": server.token}
    full = json.loads(request(server, "GET", "/snapshot", **token)[2])
    assert {entry["id"] for entry in full["entries"]} >= {"single", "growing", "search"}
    again = json.loads(request(server, "GET", f"/snapshot?since={full['state']}", **token)[2])
    assert again == {"state": full["state"]}

    assert request(server, "GET", "/report?id=single", **token)[0] == 404
    (root / "single" / "report.html").write_text("<h1>Report</h1>")
    status, headers, text = request(server, "GET", "/report?id=single", **token)
    policy = headers["Content-Security-Policy"]
    assert status == 200 and text == "<h1>Report</h1>"
    assert "sandbox" in policy and "connect-src" not in policy and "default-src 'none'" in policy


@LINUX
def test_the_process_that_holds_the_lock_is_asked_to_stop(root: Path, server: WatchServer) -> None:
    folder = root / "growing"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    entry = server.watcher.snapshot().entries["growing"]
    assert entry.state == "running" and entry.can_stop
    server.stop("growing")
    assert process.wait(60) == 0
    process.stdout.close()
    assert server.watcher.snapshot().entries["growing"].state == "unfinished"


@LINUX
def test_a_process_that_does_not_hold_the_lock_receives_no_signal(root: Path) -> None:
    folder = root / "growing"
    with store.claim(folder):
        host = os.uname().nodename
        for pid in (1, -1, 0, os.getppid(), True, "1", None):
            (folder / ".lock").write_text(json.dumps({"pid": pid, "host": host}))
            assert not Watcher(root).snapshot().entries["growing"].can_stop
            with pytest.raises(ResourceError, match=r"cannot be verified|not on this machine"):
                store.stop_holder(folder)
        for damaged in ("", "[]", "{}", "\0"):
            (folder / ".lock").write_text(damaged)
            with pytest.raises(ResourceError, match="an unknown machine"):
                store.stop_holder(folder)
        (folder / ".lock").write_text('{"pid": 5, "host": "elsewhere"}')
        with pytest.raises(ResourceError, match="is in use on elsewhere"):
            store.stop_holder(folder)
        command = Watcher(root).snapshot().entries["growing"].command
        assert command == "kill -TERM 5  # on elsewhere"


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "headstart serve runs/a",
        "headstart",
        "python -m headstart train a",
        "headstart 'a",
    ],
)
def test_only_commands_that_resume_are_started(tmp_path: Path, command: str) -> None:
    store.record_command(begin_run(tmp_path / "run", epochs=1), command)
    entry = Watcher(tmp_path).snapshot().entries["run"]
    assert not entry.can_resume and entry.command == ""
    with pytest.raises(InputError, match="does not record a command"):
        Resumer().resume("run", tmp_path / "run")


def test_a_resumed_command_names_its_folder(tmp_path: Path) -> None:
    def words(command: str) -> list[str]:
        return words_to_resume(store.RecordedCommand(command, "/"), tmp_path)

    assert words("headstart train 'my photos'") == ["train", "my photos", "--out", str(tmp_path)]
    assert words("headstart tune digits --out x") == ["tune", "digits", "--out", "x"]
    assert words("headstart train digits --epochs +5") == ["train", "digits", "--epochs", "+5"]


def test_a_command_that_fails_says_why_on_the_page(root: Path, server: WatchServer) -> None:
    store.record_command(root / "growing", "headstart audit missing-photos --quick")
    token = {"X_Headstart_Token": server.token, "Content_Type": "application/json"}
    status, _, text = request(server, "POST", "/resume", body='{"id": "growing"}', **token)
    assert (status, text) == (200, '{"done": true}')

    def entry() -> Any:
        entries: Any = server.snapshot()["entries"]
        return next(entry for entry in entries if entry["id"] == "growing")

    assert entry()["state"] == "running" and not entry()["can_resume"]
    again = request(server, "POST", "/resume", body='{"id": "growing"}', **token)
    assert again[0] == 422 and "in use already" in again[2]
    wait_until(lambda: entry()["state"] == "unfinished", "the command ends")
    assert entry()["problem"].startswith("Resuming failed: ")
    assert "missing-photos" in entry()["problem"]


def require_no_violations(page: Any) -> None:
    """Fail if axe finds a violation in the page as it is now."""
    assert axe_violations(page) == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium in /usr/bin")
def test_the_page_shows_compares_and_stops_runs(
    root: Path, server: WatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    stopped: list[str] = []
    monkeypatch.setattr(server, "stop", stopped.append)
    with sync_api.sync_playwright() as playwright, store.claim(root / "growing"):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(60_000)
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(server.address)

        page.get_by_role("heading", name="1 in progress, 5 others").wait_for()
        card = page.locator("#cards li")
        assert "step 240 of 800" in card.inner_text() and "left" in card.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        require_no_violations(page)

        # The curve grows while the page is open.
        page.get_by_role("button", name="growing", exact=True).first.click()
        chart = page.get_by_role("img", name="Accuracy.")
        assert "at epoch 12" in chart.get_attribute("aria-label")
        begin_run(root / "growing", epochs=13)
        page.get_by_text("step 260 of 800").first.wait_for()
        page.get_by_role("img", name="at epoch 13").first.wait_for()
        chart.focus()
        page.keyboard.press("Home")
        assert "epoch 1:" in page.locator("figure output").first.inner_text()
        require_no_violations(page)

        page.get_by_role("button", name="Stop growing").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        page.get_by_text("growing was asked to stop.").wait_for()
        assert stopped == ["growing"]

        page.get_by_role("link", name="All runs and studies").click()
        page.get_by_role("checkbox", name="Compare single").check()
        page.get_by_role("checkbox", name="Compare growing").check()
        page.get_by_role("button", name="Side by side").click()
        page.get_by_role("heading", name="single and growing").wait_for()
        table = page.get_by_role("region", name="Results").inner_text()
        assert "in progress" in table and "finished" in table
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        require_no_violations(page)
        assert problems == []
        browser.close()
