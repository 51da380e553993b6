"""The shape of the project: data flows one way, and nothing of one machine is in it."""

import ast
import re
import subprocess

import pytest

from warehouse import lake

GROUND = {
    "schemas",
    "warehouse.contract",
    "warehouse.lake",
    "warehouse.outcome",
    "warehouse.engine",
    "warehouse.progress",
    "warehouse.row_groups",
    "warehouse.writers",
}
ALLOWED = {
    "schemas": {"schemas"},
    "harvesters": {"harvesters"},
    "transforms": {"harvesters", "transforms", "quality"},
    "quality": {"harvesters", "quality", "warehouse"},
    "warehouse": {"harvesters", "quality", "warehouse"},
    "sample": {"sample"},
}
PACKAGES = {*ALLOWED, "operations", "dags", "cli"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_go_one_way(folder):
    for path in (lake.CHECKOUT / folder).rglob("*.py"):
        for name in imports(path):
            package = name.split(".")[0]
            ground = any(name == module or name.startswith(module + ".") for module in GROUND)
            if package in PACKAGES and not ground:
                assert package in ALLOWED[folder], f"{path.relative_to(lake.CHECKOUT)} imports {name}"


def test_great_expectations_is_imported_in_one_place():
    users = {
        path.relative_to(lake.CHECKOUT).as_posix()
        for folder in PACKAGES
        for path in (lake.CHECKOUT / folder).rglob("*.py")
        if any(name.split(".")[0] == "great_expectations" for name in imports(path))
    }
    assert users == {"quality/expectations.py"}


def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=lake.CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [lake.CHECKOUT / name for name in listed.stdout.split("\0") if name]


def test_nothing_of_one_machine_is_in_the_project():
    places = re.compile(r"/(?:home|root|work|Users)/\w|pypi\.org|files\.pythonhosted|registry\.npmjs")
    for path in tracked():
        if (
            path.suffix in (".py", ".md", ".toml", ".cfg", ".txt", ".csv", ".sql", "")
            and path != lake.CHECKOUT / "tests/test_layout.py"
            and path.is_file()
        ):
            found = places.search(path.read_text("utf-8", "replace"))
            assert not found, f"{path.relative_to(lake.CHECKOUT)}: {found.group() if found else ''}"
