"""What uploaded files are taken for, and that nginx serves them as the gateway does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.front_door import ENVELOPE_MB
from services.gateway import static_files
from services.gateway.file_types import SHOWN, UNKNOWN, extension_of, type_of
from services.settings import ChatSettings

NGINX = (Path(__file__).parents[3] / "nginx.conf").read_text(encoding="utf-8")
STATIC = NGINX[NGINX.index('location ~ "^/static/') : NGINX.index("location /static/")]


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "jpg"),
        (b"GIF89a" + b"\0" * 10, "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "avif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom", "mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "mov"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "webm"),
        (b"ID3\x03" + b"\0" * 10, "mp3"),
        (b"OggS\0\x02" + b"\0" * 20, "ogg"),
        (b"fLaC\0\0\0\x22", "flac"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"%PDF-1.7\n", "pdf"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ""),
        (b"<!doctype html><script>", ""),
        (b"<?xml version='1.0'?><html/>", ""),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ""),
        (b"PK\x03\x04" + b"\0" * 40, ""),
        (b"MZ" + b"\0" * 60, ""),
        (b"", ""),
        (b"\xff\xd8", ""),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, extension: str) -> None:
    assert extension_of(head) == extension


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\0\0\0\x18ftyp", b"\xff\xff\xff\xffftyp", b"RIFF", b"PK\x03\x04"]),
)
def test_no_bytes_break_it(rest: bytes, beginning: bytes) -> None:
    assert extension_of(beginning + rest) in {"", *SHOWN}


def test_a_name_without_an_extension_of_ours_has_no_type() -> None:
    assert [type_of(name) for name in ("x", "png", "x.html", "x.svg", "x.png.html")] == [UNKNOWN] * 5
    assert type_of("x.png") == "image/png"


def test_nginx_has_the_same_types_and_shows_the_same() -> None:
    types = {
        extension: type_
        for type_, extensions in re.findall(r"^\s+([a-z]+/[a-z0-9.+-]+)\s+([a-z0-9 ]+);$", STATIC, re.MULTILINE)
        for extension in extensions.split()
    }
    assert {extension: types.get(extension) for extension in SHOWN} == dict(SHOWN)
    shown = re.search(r"map \$sent_http_content_type \$uploads_disposition \{(.*?)\n    \}", NGINX, re.DOTALL)
    assert shown is not None
    patterns = [line.split()[0] for line in shown[1].splitlines() if line.strip().endswith("inline;")]
    for type_ in SHOWN.values():
        assert any(re.match(p[1:], type_) if p.startswith("~") else p == type_ for p in patterns)
    assert "default attachment;" in shown[1]


def test_nginx_sends_the_same_headers() -> None:
    assert f'~^/static/ "{static_files.CONTENT_POLICY}"' in NGINX
    assert f'Cache-Control "{static_files.CACHE_CONTROL}"' in STATIC


def test_nginx_lets_as_much_through_as_the_settings_do() -> None:
    settings = ChatSettings()
    most_mb = settings.chat_file_mb * settings.chat_message_files + ENVELOPE_MB
    assert f"client_max_body_size {most_mb}m;  # replace: upload limit" in NGINX
