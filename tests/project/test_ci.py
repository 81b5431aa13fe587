"""Workflows of the CI host, templates and citation: they parse, and call make targets that exist."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
import yaml
from support.paths import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PINNED = re.compile(r"[\w-]+/[\w./-]+@(?:v\d+|release/v\d+)")
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]


def parsed(path):
    return yaml.safe_load(path.read_text())


def jobs(path):
    return parsed(path)["jobs"].values()


def test_there_are_workflows_for_changes_and_for_releases():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


def test_changes_are_tested_on_linux_and_macos_with_each_supported_python():
    matrix = parsed(GITHUB / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix == {"os": ["ubuntu-latest", "macos-latest"], "python": PYTHONS}
    classifiers = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert classifiers == PYTHONS


def test_workflows_call_the_documented_make_targets():
    called: set[str] = set()
    for path in WORKFLOWS:
        for job in jobs(path):
            for step in job["steps"]:
                target = re.search(r"\bmake ([\w-]+)", step.get("run", ""))
                called |= {target[1]} if target else set()
            called |= set(job.get("strategy", {}).get("matrix", {}).get("target", []))
    assert called <= TARGETS
    assert {"lint", "test", "docs", "release-check", "test-engines", "test-kubernetes", "dist"} == called


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_a_workflow_has_bounds_and_few_permissions(path):
    workflow = parsed(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "group" in workflow["concurrency"]
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90
        assert job.get("permissions", {}) == ({"id-token": "write"} if name == "publish" else {})
        for step in job["steps"]:
            assert PINNED.fullmatch(step.get("uses", "actions/checkout@v4")), step
            assert "secrets." not in json.dumps(step), "trusted publishing needs none"


def test_issue_forms_have_required_fields():
    for path in (GITHUB / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        form = parsed(path)
        assert {"name", "description", "body"} <= set(form)
        assert any(field.get("validations", {}).get("required") for field in form["body"])
        assert {field["type"] for field in form["body"]} <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def test_the_citation_is_valid():
    schema = json.loads((ROOT / "tests" / "fixtures" / "citation-file-format-1.2.0.schema.json").read_text())
    jsonschema.validate(parsed(ROOT / "CITATION.cff"), schema)


def test_the_files_that_the_policies_name_are_there():
    for source in (ROOT / "SECURITY.md", GITHUB / "pull_request_template.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", source.read_text()):
            assert (source.parent / link).exists(), link
