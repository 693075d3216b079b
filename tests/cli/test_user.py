"""`pulso user promote`, against a running Pulso."""

from __future__ import annotations

import json
import os
import secrets
import urllib.request
from pathlib import Path

from tests.cli.conftest import Pulso
from tests.conftest import Stack


def _register(url: str, username: str) -> None:
    account = {"name": "Ana", "username": username, "email": f"{username}@example.com", "password": "long enough"}
    request = urllib.request.Request(
        f"{url}/api/auth/register", json.dumps(account).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def test_a_user_becomes_an_admin(pulso: Pulso, stack: Stack) -> None:
    username = f"ana-{secrets.token_hex(4)}"
    _register(stack.url, username)
    with pulso("user", "promote", username, "--data", str(stack.data)) as process:
        said, complaint = process.communicate()
    assert process.returncode == 0, complaint
    assert said == f"Ana ({username}) is an admin.\n"


def test_nobody_is_promoted_where_there_is_no_such_user(pulso: Pulso, stack: Stack) -> None:
    with pulso("user", "promote", "nobody-at-all", "--data", str(stack.data)) as process:
        _, complaint = process.communicate()
    assert process.returncode == 1
    assert "nobody-at-all" in complaint


def test_a_pulso_that_does_not_run_is_told(pulso: Pulso, tmp_path: Path) -> None:
    with pulso("user", "promote", "ana", "--data", str(tmp_path)) as process:
        _, complaint = process.communicate()
    assert process.returncode == os.EX_UNAVAILABLE
    assert complaint.startswith(f"No `pulso up` runs on the data folder {tmp_path}.")
