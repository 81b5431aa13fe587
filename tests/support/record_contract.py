"""Field names of the API's answers, from docs/openapi.yaml, as a fixture for the front end's tests.

`python tests/support/record_contract.py` writes js/test/fixtures/contract.json; tests/server/test_js_contract.py fails
when the fixture is out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "js/test/fixtures/contract.json"
SCHEMAS = ("Workload", "Record", "Error", "Info", "Step")


def contract() -> dict[str, Any]:
    """Returns the required and the allowed fields of each schema; a required field is allowed, too."""
    schemas = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text(encoding="utf-8"))["components"]["schemas"]
    fields = {}
    for name in SCHEMAS:
        required = schemas[name].get("required", [])
        fields[name] = {
            "required": sorted(required),
            "allowed": sorted({*required, *schemas[name].get("properties", {})}),
        }
    return fields


if __name__ == "__main__":
    FIXTURE.write_text(json.dumps(contract(), indent=2) + "\n", encoding="utf-8")
