"""The fixture that the front end's tests check their stand-in server against equals docs/openapi.yaml."""

from __future__ import annotations

import json

from support.record_contract import FIXTURE, contract


def test_contract_fixture_of_the_front_end_is_up_to_date() -> None:
    assert json.loads(FIXTURE.read_text(encoding="utf-8")) == contract(), "run tests/support/record_contract.py"
