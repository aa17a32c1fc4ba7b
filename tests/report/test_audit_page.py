"""The page and the table of an audit, and the review in a real browser."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audit_example import IMAGES, audit_report, audited_dataset, build_audit
from examples import Data
from pages import Tags, page_text, section, section_names
from rich.console import Console

from browsers import needs_browser, open_page, start_browser
from headstart.api._review import PlanInReview, ReviewServer
from headstart.audit import propose_plan
from headstart.data import PlanRow, read_plan
from headstart.report import (
    REVIEW_LIMITS,
    audit_page_html,
    audit_table,
    make_audit_images,
    write_report,
)
from headstart.report._audit_images import PAGE_LIMITS
from headstart.results import AuditReport, ExpectedWrong, GroupReport


@pytest.fixture
def report(tmp_path: Path) -> AuditReport:
    return audit_report(tmp_path, Data(), audited_dataset(Data()))


def without_findings(report: AuditReport) -> AuditReport:
    nothing = dict.fromkeys(
        ("unreadable", "duplicates", "leaks", "label_conflicts", "suspects", "no_class", "quality"),
        (),
    )
    no_groups = GroupReport(
        source="none",
        groups=0,
        images=0,
        largest=0,
        divided=0,
        divided_images=0,
        evidence=(),
        examples=(),
    )
    no_suspects = ExpectedWrong(
        number=0.0, interval=(0.0, 2.0), suspects=0, copies=24, sentence="No label is suspect."
    )
    return report.model_copy(
        update={
            **nothing,
            "groups": no_groups,
            "shortcuts": report.shortcuts
            and report.shortcuts.model_copy(update={"properties": ()}),
            "imbalance": 1.0,
            "leak_effect": None,
            "expected_wrong": no_suspects,
            "notes": (),
        }
    )


def table_text(report: AuditReport, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(audit_table(report))
    return console.export_text()


def test_the_page_shows_suspects_first_and_every_kind_of_finding(tmp_path: Path) -> None:
    page = page_text(build_audit(tmp_path, Data()))
    assert section_names(page)[:2] == ["summary", "suspects"]
    assert "Of these 4 suspects, 2 to 4 are wrong (95% interval)." in section(page, "suspects")
    assert "predicted 7" in section(page, "suspects")
    assert "91.0% of all 270 test images correctly" in section(page, "leaks")
    assert "90.9% of the 269 without a leak" in section(page, "leaks")
    assert section(page, "conflicts").count("<img") == 2
    assert section(page, "no-class").count("<img") == 1
    assert "is empty (0 bytes)" in section(page, "unreadable")
    assert "File size" in section(page, "shortcuts")
    assert "--group-by inferred" in section(page, "groups")
    assert section(page, "quality").count("<img") == 1
    assert section(page, "imbalance").count("<img") == 30
    assert "headstart audit photos/ --review" in section(page, "summary")


def test_a_page_without_findings_says_what_was_looked_for(
    tmp_path: Path, report: AuditReport
) -> None:
    folder = build_audit(tmp_path, Data())
    (folder / "finding.json").write_text(json.dumps(without_findings(report).as_json()))
    page = page_text(folder)
    assert "Nothing was found in digits" in page
    assert "Not found: unreadable files, leaks between parts" in page
    assert section_names(page) == ["summary", "imbalance", "reproduce", "glossary"]


def test_class_names_that_are_nearly_the_same_are_a_finding(
    tmp_path: Path, report: AuditReport
) -> None:
    clean = without_findings(report)
    first, second, *others = clean.class_counts
    counts = (
        first.model_copy(update={"name": "hot dog"}),
        second.model_copy(update={"name": "hot-dog"}),
        *others,
    )
    similar = clean.model_copy(update={"class_counts": counts})
    assert "Class names  1 pair is nearly the same" in table_text(similar)

    folder = build_audit(tmp_path, Data())
    (folder / "finding.json").write_text(json.dumps(similar.as_json()))
    page = page_text(folder)
    assert "hot dog and hot-dog are nearly the same" in section(page, "class-names")
    assert "Not found: class names" not in page


def test_a_page_of_thousands_of_photographs_stays_small(tmp_path: Path) -> None:
    data = Data()
    dataset = audited_dataset(data, image_px=160)  # noise, the worst case for JPEG
    report = audit_report(tmp_path, data, dataset)
    many = tuple(
        report.suspects[0].model_copy(update={"index": index % IMAGES}) for index in range(5000)
    )
    report = report.model_copy(
        update={
            "suspects": many,
            "leaks": report.leaks * 2000,
            "label_conflicts": report.label_conflicts * 2000,
            "duplicates": report.duplicates * 2000,
            "no_class": report.no_class * 2000,
            "quality": report.quality * 2000,
        }
    )
    images = make_audit_images(report, dataset)
    text = audit_page_html(report, images, PAGE_LIMITS, "")
    assert len(text) < 5_000_000
    assert "4,904 further suspects are not shown here" in text


def test_the_table_has_a_line_per_kind_of_finding(report: AuditReport) -> None:
    lines = [line.rstrip() for line in table_text(report).splitlines() if line.strip()]
    titles = [line.split("  ")[0].strip() for line in lines[2:12]]
    assert max(map(len, lines)) <= 100
    assert titles == [
        *("Unreadable", "Leaks", "Two labels", "Wrong labels", "No class"),
        *("Shortcuts", "Divided groups", "Repeated", "Quality", "Imbalance"),
    ]
    assert "4 suspects, 2 to 4 of them wrong" in "\n".join(lines)
    assert len(lines) <= 15

    clean = table_text(without_findings(report))
    assert "60 images, 10 classes: nothing was found." in clean
    assert "Not found: unreadable files, leaks between parts, pictures with two labels" in clean


def test_the_proposed_plan_has_one_row_per_image(report: AuditReport) -> None:
    rows = {int(row.image): row for row in propose_plan(report)}
    assert len(propose_plan(report)) == len(rows)
    assert rows[33].action == "drop" and "no class (blank" in rows[33].reason
    assert (rows[10].action, rows[10].new_label) == ("relabel", "7")
    # The conflict of 20 and 21: 20 is suspected and relabelled, which does not end the conflict.
    assert rows[20].action == "relabel" and rows[21].action == "drop"
    assert rows[11].reason == "exact copy of the validation image 000051"
    assert not {30, 40, 50, 51} & set(rows), "near copies in one part are left to a review"

    offered = {int(row.image): row for row in propose_plan(report, least_probability=0)}
    assert offered[40].reason == "flipped copy of 000030"
    assert offered[2].new_label == "5"

    text = report.no_class[0].model_copy(update={"reason": "text"})
    doubtful = report.model_copy(update={"no_class": (text,), "suspects": ()})
    assert 33 not in {int(row.image) for row in propose_plan(doubtful)}
    many = report.model_copy(update={"no_class": report.no_class * 4, "suspects": ()})
    assert 33 not in {int(row.image) for row in propose_plan(many)}, "more than 5% of the images"


@pytest.fixture
def server(tmp_path: Path, report: AuditReport) -> Iterator[ReviewServer]:
    """A review server with the example."""
    dataset = audited_dataset(Data())
    images = make_audit_images(report, dataset, REVIEW_LIMITS)
    proposals = {int(row.image): row for row in propose_plan(report, 0)}
    plan = PlanInReview(tmp_path / "plan.csv", dataset, proposals)

    def page() -> str:
        state = {"decisions": plan.decisions(set(images.thumbnails))}
        return audit_page_html(report, images, REVIEW_LIMITS, json.dumps(state))

    with ReviewServer(page, plan) as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield started
        started.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from start_browser()


def wait_until_saved(page: Any, plan: Path, expected: list[tuple[str, str, str]]) -> None:
    for _ in range(200):
        if plan.exists():
            rows = [(row.image, row.action, row.new_label) for row in read_plan(plan)]
            if rows == expected:
                return
        page.wait_for_timeout(20)
    raise AssertionError(f"{rows} is not {expected}")


@needs_browser
def test_keys_decide_and_every_decision_is_saved_at_once(
    browser: Any, server: ReviewServer
) -> None:
    page, _ = open_page(browser, server.address)
    plan = server.plan.path
    assert page.evaluate("document.activeElement.dataset.index") == "10"
    for action, text in (("drop", "→ Drop"), ("relabel", "→ 7")):
        proposed = page.locator(f".item[data-action={action}] button", has_text=text)
        assert proposed.count() > 0, "Enter does what the button with an arrow says"
    assert page.locator(".item:not([data-action=drop]) button", has_text="→ Drop").count() == 0

    page.keyboard.press("Enter")
    wait_until_saved(page, plan, [("000010", "relabel", "7")])
    page.keyboard.press("d")
    page.keyboard.press("k")
    rows = [("000010", "relabel", "7"), ("000020", "drop", ""), ("000000", "keep", "")]
    wait_until_saved(page, plan, rows)

    page.keyboard.press("c")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    wait_until_saved(page, plan, [*rows, ("000002", "relabel", "4")])
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Backspace")
    page.keyboard.press("u")
    rows = [rows[0], rows[1], ("000002", "relabel", "4")]
    wait_until_saved(page, plan, rows)
    assert "3 of " in page.get_by_role("status").inner_text()

    # An image that is in two sections has one decision.
    page.locator("#leaks ~ ul .item[data-index='10'] button", has_text="Keep").click()
    wait_until_saved(page, plan, [("000010", "keep", ""), *rows[1:]])
    assert page.locator(".item[data-index='10'][data-decided=keep]").count() == 2

    page.reload()
    assert page.locator(".item[data-decided]").count() >= 3
    page.get_by_role("button", name="Done").click()
    page.get_by_text("The plan is saved and the review has ended").wait_for()
    reasons = {row.image: row.reason for row in read_plan(plan)}
    assert reasons["000020"] == "reviewed: suspected wrong label"
    page.close()


def test_long_names_of_classes_are_cut_so_that_they_differ(tmp_path: Path) -> None:
    names = tuple(f"a-class-with-a-name-of-forty-letters-{number:03d}" for number in range(10))
    page = page_text(build_audit(tmp_path, Data(class_names=names)))
    assert "(a-class-wit…-letters-000) and 000021 (a-class-wit…-letters-001)" in page
    assert "The largest class, a-class-wit…-letters-009, has 6 images, and the smallest, a" in page
    assert 'data-short="a-class-wit…-letters-007"' in page
    assert '<span class="from">training image 000010</span>' in page  # no line starts with a comma


@needs_browser
def test_a_decision_that_cannot_be_saved_is_taken_back(browser: Any, server: ReviewServer) -> None:
    page, _ = open_page(browser, server.address)
    page.route("**/decide", lambda route: route.fulfill(status=507, json={"error": "disk full."}))
    page.keyboard.press("Enter")
    page.get_by_text("was not saved: disk full. Is the command still running?").wait_for()
    assert page.locator(".item[data-decided]").count() == 0
    page.close()


@needs_browser
def test_the_page_alone_downloads_the_plan(browser: Any, tmp_path: Path) -> None:
    long_name = "Mountain species of northern woods, no 6"
    data = Data(class_names=("a,b", 'say "x"', "<i>", "猫", "5", long_name, "7", "8", "9", "0"))
    build_audit(tmp_path, data)
    path = write_report(tmp_path)
    page, problems = open_page(browser, f"file://{path}", viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator(".decide button", has_text="Mountain").count() > 0
    cut = "buttons => buttons.filter((button) => button.scrollWidth > button.clientWidth).length"
    assert page.locator(".decide button").evaluate_all(cut) == 0
    page.locator(".item").first.focus()
    for key in ("Enter", "d", "k"):
        page.keyboard.press(key)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download plan.csv").click()
    download.value.save_as(tmp_path / "plan.csv")
    rows = [row._replace(reason="", line=0) for row in read_plan(tmp_path / "plan.csv")]
    assert rows == [
        PlanRow("000010", "relabel", "a,b", "8", probability=0.8),
        PlanRow("000020", "drop", "a,b"),
        PlanRow("000000", "keep", "a,b"),
    ]
    assert download.value.suggested_filename == "plan.csv"
    assert [problem for problem in problems if not problem.startswith("blob:")] == []

    page.wait_for_timeout(300)  # the browser writes its storage later
    page.reload()
    assert page.locator(".item[data-decided]").count() >= 3, "decisions survive a reload"
    page.close()


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_follows_the_colour_scheme(
    browser: Any, tmp_path: Path, scheme: str
) -> None:
    build_audit(tmp_path, Data())
    page, problems = open_page(browser, f"file://{write_report(tmp_path)}", color_scheme=scheme)
    for element in page.locator("button, select, progress, .item[data-index]").all():
        named = element.evaluate("e => e.getAttribute('aria-label') || e.innerText.trim()")
        assert named, element.evaluate("e => e.outerHTML")
    # One stop of the Tab key for all images.
    assert page.locator(".item[tabindex='0']").count() == 1
    background = page.evaluate(
        "getComputedStyle(document.querySelector('.review')).backgroundColor"
    )
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 600) == (scheme == "light")
    assert problems == []
    page.close()


def request(server: ReviewServer, method: str, path: str, **headers: str) -> tuple[int, str]:
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    body = headers.pop("body", None)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_the_server_answers_its_own_page_only(server: ReviewServer) -> None:
    address = f"/?token={server.token}"
    status, text = request(server, "GET", address)
    assert status == 200 and len(list(Tags(text).values("class"))) > 20
    assert request(server, "GET", "/")[0] == 401
    assert request(server, "GET", "/?token=wrong")[0] == 401
    assert request(server, "GET", address, Host="evil.example")[0] == 403
    assert request(server, "GET", address, Origin="http://evil.example")[0] == 403
    assert request(server, "GET", f"/other?token={server.token}")[0] == 404

    body = '{"index": 10, "action": "drop"}'
    token = {"X-Headstart-Token": server.token, "Content-Type": "application/json"}
    assert request(server, "POST", "/decide", body=body)[0] == 401
    assert request(server, "POST", f"/decide?token={server.token}", body=body)[0] == 401
    form = {**token, "Content-Type": "text/plain"}
    assert request(server, "POST", "/decide", body=body, **form)[0] == 415
    assert not server.plan.path.exists()
    assert request(server, "POST", "/decide", body=body, **token)[0] == 200
    assert request(server, "POST", "/decide", body="[]", **token)[0] == 422
    assert request(server, "POST", "/decide", body="{", **token)[0] == 422
    for wrong in (
        '{"index": 60, "action": "drop"}',
        '{"index": -1, "action": "drop"}',
        '{"index": "10", "action": "drop"}',
        '{"index": 10, "action": "erase"}',
        '{"index": 10, "action": "relabel", "new_label": "cow"}',
        '{"index": 10, "action": "relabel", "new_label": 5}',
    ):
        assert request(server, "POST", "/decide", body=wrong, **token)[0] == 422
    big = {"Content-Length": str(10**9), **token}
    assert request(server, "POST", "/decide", **big)[0] == 413
    rows = read_plan(server.plan.path)
    assert [(row.image, row.action) for row in rows] == [("000010", "drop")]
