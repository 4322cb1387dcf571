"""Small enough to be read: the bounds of docs/style.md, without exceptions."""

import ast

from tests.architecture.sources import APPS, ROOT, python_files, said, tree_of

MODULE_LINES, CLASS_LINES, FUNCTION_LINES = 400, 200, 40
EVERYTHING = (*APPS, "config", "tests", "benchmarks")


def test_modules_are_short() -> None:
    files = [*python_files(*EVERYTHING), ROOT / "dev", ROOT / ".ci" / "run"]
    long = {said(p): n for p in files if (n := len(p.read_text(encoding="utf-8").splitlines())) > MODULE_LINES}
    assert long == {}


def test_functions_are_short() -> None:
    assert _longer_than(FUNCTION_LINES, ast.FunctionDef | ast.AsyncFunctionDef) == {}


def test_classes_are_short() -> None:
    assert _longer_than(CLASS_LINES, ast.ClassDef) == {}


def _longer_than(lines: int, kind: object) -> dict[str, int]:
    found = {}
    for path in [*python_files(*EVERYTHING), ROOT / "dev"]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, kind) and (size := node.end_lineno - node.lineno + 1) > lines:
                found[f"{said(path, node.lineno)} {node.name}"] = size
    return found
