"""nginx.conf as `pulso up --gateways N` uses it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cli.child import CannotStart
from cli.data_folder import DataFolder
from cli.front_door import Front, find_nginx, nginx_program, rendered

FRONT = Front(
    host="127.0.0.1",
    port=18080,
    gateways=(20001, 20002),
    uploads=Path("/var/uploads"),
    upload_mb=20,
    trusted_proxies=(),
)
TEMPLATE = """
http {
    resolver 127.0.0.11;  # replace: resolver (nothing)
    upstream gateway {
        server gateway:8080 resolve;  # replace: servers (one line each)
    }
    access_log /dev/stdout;  # replace: access log
    server {
        listen 8080;  # replace: listen
        location /assets/ { alias /srv/assets/; }  # replace: assets
        client_max_body_size 260m;  # replace: upload limit
        alias /uploads/$upload;  # replace: uploads
    }
}
"""


def test_every_gateway_becomes_a_server() -> None:
    made = rendered(TEMPLATE, FRONT)
    assert "        server 127.0.0.1:20001 max_fails=0;\n        server 127.0.0.1:20002 max_fails=0;\n" in made
    assert "resolve" not in made
    assert "replace" not in made


def test_the_address_and_the_folders_are_this_machines() -> None:
    made = rendered(TEMPLATE, replace(FRONT, host="::1"))
    assert "listen [::1]:18080;" in made
    assert 'alias "/var/uploads/$upload";' in made
    assert '/frontend/static/";' in made
    assert "client_max_body_size 30m;" in made


def test_a_mark_that_nobody_knows_is_told() -> None:
    with pytest.raises(CannotStart, match="'something new'"):
        rendered(TEMPLATE + "x;  # replace: something new\n", FRONT)


def test_a_mark_that_is_gone_is_told() -> None:
    with pytest.raises(CannotStart, match="listen"):
        rendered(TEMPLATE.replace("# replace: listen", ""), FRONT)


def test_a_folder_that_nginx_would_take_for_a_variable_is_refused() -> None:
    with pytest.raises(CannotStart, match="cannot serve files"):
        rendered(TEMPLATE, replace(FRONT, uploads=Path("/var/$uploads")))


def test_nginx_accepts_the_configuration(folder: DataFolder) -> None:
    program = nginx_program(folder, replace(FRONT, trusted_proxies=("10.0.0.0/8",)))
    done = subprocess.run((*program.arguments, "-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert program.arguments[0] == find_nginx()
