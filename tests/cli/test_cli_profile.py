"""`up --profile`: on the terminal, as a page, as data, and when the start fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes import exited, unhealthy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.shop import Shop


def test_alone_it_shows_the_waterfall_behind_the_table(shop: Shop) -> None:
    shop.up()
    shop.engine.turn("shop-taskrunner-1", exited(1))
    table, waterfall = shop.run("up", "--profile").ok().out.split("\n\nup of shop (start) took ")
    assert table.splitlines()[-1].startswith("shop is healthy after")
    lines = waterfall.splitlines()
    assert [line.split("  ")[0] for line in lines[2:5]] == ["SERVICE", "taskrunner", "devenv itself"]
    assert lines[-1].startswith("* critical path: taskrunner ")


def test_it_takes_no_service_for_its_file(shop: Shop) -> None:
    found = shop.run("up", "--profile", "mailcatcher").ok()
    assert set(shop.engine.containers) == {"shop-mailcatcher-1"}
    assert "up of shop (image, create, start) took" in found.out


def test_a_page_is_written_where_it_is_named(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "profile.html"
    found = shop.run("up", f"--profile={file}", "mailcatcher").ok()
    assert "up of shop (image, create, start) took" in found.out
    page = file.read_text(encoding="utf-8")
    assert "<title>up of shop (image, create, start) took" in page
    assert "mailcatcher" in page


@pytest.mark.parametrize("name", ["page.txt", "missing/page.html", "backend"])
def test_what_cannot_be_a_page_is_refused_before_anything_is_done(shop: Shop, name: str) -> None:
    found = shop.run("up", f"--profile={name}", "--json")
    assert (found.code, found.error["code"]) == (2, "usage")
    assert name in found.error["message"]
    assert shop.engine.calls == []


def test_as_json_it_is_data(shop: Shop) -> None:
    data = shop.run("up", "--profile", "mailcatcher", "--json").ok().data["profile"]
    assert list(data) == ["environment", "kind", "seconds", "overhead", "failed", "spans"]
    assert (data["environment"], data["kind"], data["failed"]) == ("shop", "image, create, start", False)
    assert list(data["spans"][0]) == ["service", "phase", "begin", "end", "critical", "failed", "count"]
    assert {"mailcatcher", "compose"} == {span["service"] for span in data["spans"]}
    assert any(span["critical"] for span in data["spans"])


def test_a_start_that_fails_shows_how_far_it_came(shop: Shop, tmp_path: Path) -> None:
    shop.engine.scripts["mailcatcher"] = [unhealthy()]
    file = tmp_path / "profile.html"
    found = shop.run("up", "mailcatcher", f"--profile={file}")
    assert found.code == 4
    assert "up of shop (image, create, start) failed after" in found.out
    assert "failed after" in file.read_text(encoding="utf-8")
    assert "error: " in found.err


def test_a_start_that_fails_has_its_profile_in_the_errors_detail(shop: Shop) -> None:
    shop.engine.scripts["mailcatcher"] = [unhealthy()]
    found = shop.run("up", "mailcatcher", "--profile", "--json")
    profile = found.error["detail"]["profile"]
    assert profile["failed"]
    assert [span["service"] for span in profile["spans"] if span["failed"]] == ["mailcatcher"]


def test_nobody_asked_nobody_is_told(shop: Shop) -> None:
    shop.engine.scripts["mailcatcher"] = [unhealthy()]
    assert "profile" not in shop.run("up", "mailcatcher", "--json").error["detail"]
    assert shop.run("up", "mailcatcher").out == ""
