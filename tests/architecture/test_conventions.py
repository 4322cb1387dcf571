"""Conventions of docs/style.md that a reader would otherwise have to watch."""

import re

import pytest

from tests.architecture.sources import APPS, ROOT, python_files, said

HERE = ROOT / "tests" / "architecture"


def _lines_with(pattern: str, *folders: str) -> list[str]:
    expression = re.compile(pattern)
    return [
        said(path, number)
        for path in python_files(*folders)
        if HERE not in path.parents
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if expression.search(line)
    ]


@pytest.mark.parametrize(
    ("pattern", "folders"),
    [
        (r"\bmark_safe\b|\|\s*safe\b", (*APPS, "config")),
        (r"\b(TODO|FIXME|XXX)\b", (*APPS, "config", "tests")),
        (r"\btime\.sleep\(|pytest\.mark\.(skip|xfail)\b", ("tests",)),
        (
            r"\bdatetime\.(now|utcnow|today)\(|\bdate\.today\(|timezone\.now\(|localdate\(\)",
            ("campaigns/rules", "outreach/rules"),
        ),
    ],
    ids=["mark_safe", "unfinished", "sleep-or-skip", "clock-in-rules"],
)
def test_absent_from_code(pattern: str, folders: tuple[str, ...]) -> None:
    assert _lines_with(pattern, *folders) == []


def test_templates_never_trust_data() -> None:
    pattern = re.compile(r"\|\s*safe(seq)?\b|{%\s*autoescape\s+off|\son\w+=|\sstyle=")
    found = [said(p) for p in sorted((ROOT / "templates").rglob("*.html")) if pattern.search(p.read_text("utf-8"))]
    assert found == []


def test_every_setting_of_the_environment_is_documented() -> None:
    settings = "".join(p.read_text("utf-8") for p in python_files("config/settings"))
    read = set(re.findall(r"\benv\.\w+\(\s*[\"'](\w+)[\"']", settings))
    documented = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert read - documented == set()
    assert documented - read == {"POSTGRES_PASSWORD"}
