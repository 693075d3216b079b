"""The dashboard and the alert rules: all that they ask for is measured, and every query is one."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY

import pulso
import services

DOCS = Path(__file__).parents[1] / "docs"
SEVERITIES = {"warning", "critical"}
_SUFFIXES = ("", "_total", "_bucket", "_count", "_sum")
_OF_GRAFANA = {"$__rate_interval": "1m"}


def measured() -> set[str]:
    """The names under which all parts of Pulso are measured."""
    for package in (pulso, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith(".metrics"):
                importlib.import_module(module.name)
    return {family.name + suffix for family in REGISTRY.collect() for suffix in _SUFFIXES}


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DOCS / "grafana" / "pulso.json").read_text(encoding="utf-8"))
    return content


def queries() -> Iterator[str]:
    for rule in alerts():
        yield rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for variable, value in _OF_GRAFANA.items():
                query = query.replace(variable, value)
            yield query


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_is_one_and_asks_for_what_is_measured(query: str) -> None:
    promql_parser.parse(query)
    asked = set(re.findall(r"\b(?:pulso|process)_\w+", query))
    assert asked - measured() == set()


def test_every_alert_says_what_and_how_bad_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in SEVERITIES
        assert {"summary", "description"} == set(rule["annotations"])


def test_the_panels_of_the_dashboard_lie_beside_one_another() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_labels_are_never_what_a_client_has_written() -> None:
    """What is counted by name is named by contracts; the list says by which labels."""
    measured()
    allowed = {"event", "outcome", "endpoint", "store", "service", "verdict", "why", "le", "generation",
               "implementation", "major", "minor", "patchlevel", "version"}  # fmt: skip
    labels = {label for family in REGISTRY.collect() for sample in family.samples for label in sample.labels}
    assert labels <= allowed
