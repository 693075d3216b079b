"""The locks keep to the rules, and the list of what Pulso is made of is complete and always the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from supply import locks, sbom
from supply.audit import faults
from supply.licenses import MIT_TEXT, is_fit, name_of
from supply.locks import BrokenLock, Package, all_packages, python_packages
from tests.conftest import REPOSITORY


def test_the_locks_keep_to_the_rules() -> None:
    assert list(faults()) == []


@pytest.mark.parametrize(
    "line",
    ["evil @ https://example.org/evil.whl", "-i https://example.org", "loose>=1", "-e ."],
)
def test_what_is_not_pinned_is_no_lock(tmp_path: Path, line: str) -> None:
    lock = tmp_path / "runtime.txt"
    lock.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(BrokenLock):
        python_packages(lock)


def test_a_package_without_hash_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "runtime.txt"
    lock.write_text("loose==1.0\n", encoding="utf-8")
    monkeypatch.setattr("supply.audit.PYTHON_LOCKS", (lock,))
    assert "runtime.txt: loose has no hash" in list(faults())


def test_a_package_that_says_nothing_of_its_licence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Package("npm", "silent", "1.0", ("sha512-x",), is_dev=False)
    monkeypatch.setattr("supply.audit.all_packages", lambda: [silent])
    assert [fault for fault in faults() if "says nothing of its licence" in fault and silent.purl in fault]


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("MIT", True), ("MIT OR GPL-3.0", True), ("BSD-3-Clause AND Apache-2.0", True), ("GPL-3.0-only", False),
        ("AGPL-3.0", False), ("SSPL-1.0", False), ("Proprietary", False), ("LGPL-2.1", True), ("MPL-2.0", True),
        ("MIT AND GPL-3.0", False), ("MIT AND GNU General Public License", False), ("MIT AND Proprietary", False),
        ("(MIT OR BSD-3-Clause) AND GPL-3.0", False), ("MIT AND (GPL-2.0-only OR Apache-2.0)", True),
        ("MIT OR GPL-2.0-only AND GPL-3.0-only", True), ("GNU General Public License v3 (GPLv3)", False),
        ("GNU Affero General Public License v3", False), ("Limited License", False), ("", False),
        ("CC-BY-NC-4.0", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", True), ("Mozilla Public License 2.0 (MPL 2.0)", True),
    ],
)  # fmt: skip
def test_licences_are_told_apart(text: str, fit: bool) -> None:
    assert is_fit(text) is fit


def test_a_licence_that_is_stated_whole_is_known_by_its_text() -> None:
    wrapped = MIT_TEXT.replace(" of charge", "\n  of charge")
    assert name_of(f"Copyright 2023 Ana\n\n{wrapped}, to deal in it") == "MIT"
    assert name_of("Copyright 2023 Ana\n\nAll rights reserved.") == "Copyright 2023 Ana"


def test_the_list_has_every_locked_package_with_its_hashes() -> None:
    listed = {component["purl"]: component for component in sbom.document(all_packages())["components"]}
    text = "".join(lock.read_text(encoding="utf-8") for lock in locks.PYTHON_LOCKS)
    pinned = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    assert {f"pkg:pypi/{name}@{version}" for name, version in pinned} <= listed.keys()
    for lock in locks.NPM_LOCKS:
        for place, entry in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
            if place:
                name = place.rpartition("node_modules/")[2].replace("@", "%40")
                assert f"pkg:npm/{name}@{entry['version']}" in listed
    assert all(component["hashes"] for component in listed.values())
    assert listed.keys() == {component["bom-ref"] for component in listed.values()}
    # What browsers are given is among it, and is no development dependency.
    (client,) = [one for purl, one in listed.items() if purl.startswith("pkg:npm/socket.io-client@")]
    assert client["scope"] == "required"


def test_the_list_is_the_same_each_time_and_names_no_place(tmp_path: Path) -> None:
    written = []
    for name in ("one.json", "other.json"):
        sbom.main(tmp_path / name)
        written.append((tmp_path / name).read_text(encoding="utf-8"))
    assert written[0] == written[1]
    assert str(REPOSITORY) not in written[0]
    assert re.findall(r"https?://[^\s\"]+", written[0]) == ["http://cyclonedx.org/schema/bom-1.6.schema.json"]
