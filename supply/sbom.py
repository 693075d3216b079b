"""`python -m supply.sbom FILE`: every locked package as CycloneDX 1.6. The same locks give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from pulso import __version__
from supply.locks import Package, all_packages


def document(packages: list[Package]) -> dict[str, Any]:
    components = [_component(package) for package in packages]
    digest = hashlib.sha256(json.dumps(components, sort_keys=True).encode()).hexdigest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "pulso",
                "name": "pulso",
                "version": __version__,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": components,
    }


def _component(package: Package) -> dict[str, Any]:
    scope, _, name = package.name.rpartition("/")
    about: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        **({"group": scope} if scope else {}),
        "name": name,
        "version": package.version,
        "scope": "excluded" if package.is_dev else "required",
        "purl": package.purl,
        # Of the files that it may be installed from, one for each platform.
        "hashes": [_hash(text) for text in package.hashes],
    }
    if package.license:
        about["licenses"] = [{"license": {"name": package.license}}]
    return about


def _hash(text: str) -> dict[str, str]:
    algorithm, _, encoded = text.rpartition("-")
    if not algorithm:
        return {"alg": "SHA-256", "content": text}
    return {"alg": algorithm.upper().replace("SHA", "SHA-"), "content": base64.b64decode(encoded).hex()}


def main(path: Path) -> None:
    packages = all_packages()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(packages), indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}: {len(packages)} packages\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
