"""Access tokens that auth did not sign, or not so: one and the same 401 for all, byte for byte."""

from __future__ import annotations

import contextlib
import hmac
import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pulso.tokens import b64url_decode, b64url_encode
from tests.abuse.conftest import Expect
from tests.abuse.target import Account, Target
from tests.raw_http import ask, request

ME: Final = "/api/auth/me"
ANEW: Final = frozenset({"Date", "X-Request-Id"})

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Forger:
    """Somebody with a token of their own, the public key, and, for the sake of the test, the private one."""

    account: Account
    header: Json
    claims: Json
    jwk: Json
    private: Ed25519PrivateKey

    def token(self, header: Json | None = None, claims: Json | None = None, **how: Any) -> str:
        """With these members changed or, where None, left out; signed rightly unless told otherwise."""
        return joined(
            changed(self.header, header), changed(self.claims, claims), **{"sign": self.private.sign, **how}
        )


def changed(members: Json, by: Json | None) -> Json:
    return {name: value for name, value in {**members, **(by or {})}.items() if value is not None}


def joined(header: Json, claims: Json, *, sign: Callable[[bytes], bytes]) -> str:
    content = ".".join(b64url_encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{content}.{b64url_encode(sign(content.encode()))}"


@pytest.fixture(scope="module")
def forger(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Forger:
    account = target.user()
    header, claims = (json.loads(b64url_decode(part)) for part in account.token.split(".")[:2])
    (jwk,) = target.json("/.well-known/jwks.json")["keys"]
    return Forger(account, header, claims, jwk, private_key(target.data, tmp_path_factory.mktemp("auth")))


def private_key(data: Path, folder: Path) -> Ed25519PrivateKey:
    """Out of a copy: auth has the database to itself."""
    for name in ("auth.sqlite3", "auth.sqlite3-wal"):
        shutil.copy(data / name, folder)
    with contextlib.closing(sqlite3.connect(folder / "auth.sqlite3")) as database:
        (private,) = database.execute("SELECT private FROM signing_keys").fetchone()
    return Ed25519PrivateKey.from_private_bytes(private)


def nobody(_: bytes) -> bytes:
    return b""


def stranger(content: bytes) -> bytes:
    return Ed25519PrivateKey.generate().sign(content)


def as_secret(key: bytes) -> Callable[[bytes], bytes]:
    return lambda content: hmac.digest(key, content, "sha256")


def now() -> int:
    return int(time.time())


FORGERIES: Final[dict[str, Callable[[Forger], str]]] = {
    "alg none": lambda f: f.token({"alg": "none"}, sign=nobody),
    "alg None": lambda f: f.token({"alg": "None"}, sign=nobody),
    "alg nOnE and no key id": lambda f: f.token({"alg": "nOnE", "kid": None}, sign=nobody),
    "alg none with a good signature": lambda f: f.token({"alg": "none"}),
    "no alg": lambda f: f.token({"alg": None}),
    "HS256 with the public key's text": lambda f: f.token({"alg": "HS256"}, sign=as_secret(f.jwk["x"].encode())),
    "HS256 with the public key's bytes": lambda f: f.token(
        {"alg": "HS256"}, sign=as_secret(b64url_decode(f.jwk["x"]))
    ),
    "HS256 with the whole JWK": lambda f: f.token(
        {"alg": "HS256"}, sign=as_secret(json.dumps(f.jwk, separators=(",", ":")).encode())
    ),
    "HS256 with an empty secret": lambda f: f.token({"alg": "HS256"}, sign=as_secret(b"\0")),
    "RS256": lambda f: f.token({"alg": "RS256"}),
    "ES256": lambda f: f.token({"alg": "ES256"}, sign=lambda _: bytes(64)),
    "EdDSA under another name": lambda f: f.token({"alg": "Ed25519"}),
    "a signature of zeros": lambda f: f.token(sign=lambda _: bytes(64)),
    "no signature": lambda f: f.token(sign=nobody),
    "another key": lambda f: f.token(sign=stranger),
    "another key under another id": lambda f: f.token({"kid": "mine"}, sign=stranger),
    "another key in jwk": lambda f: f.token({"jwk": f.jwk}, sign=stranger),
    "jku": lambda f: f.token({"jku": "http://127.0.0.1:1/jwks.json"}),
    "x5u": lambda f: f.token({"x5u": "http://127.0.0.1:1/cert.pem"}),
    "x5c": lambda f: f.token({"x5c": ["MIIB"]}),
    "crit": lambda f: f.token({"crit": ["exp"]}),
    "crit that nobody knows": lambda f: f.token({"crit": ["x"], "x": 1}),
    "b64 false": lambda f: f.token({"b64": False, "crit": ["b64"]}),
    "a key id that is a path": lambda f: f.token({"kid": "../../../../dev/null"}, sign=as_secret(b"\0")),
    "a key id that is SQL": lambda f: f.token({"kid": "x' UNION SELECT 'secret' --"}, sign=stranger),
    "a key id with a command": lambda f: f.token({"kid": "|/bin/true"}, sign=stranger),
    "a key id of 3 KB": lambda f: f.token({"kid": "x" * 2000}),
    "a key id that is an array": lambda f: f.token({"kid": [f.header["kid"]]}),
    "no key id": lambda f: f.token({"kid": None}),
    "typ JWE": lambda f: f.token({"typ": "JWE"}),
    "cty JWT": lambda f: f.token({"cty": "JWT"}),
    "another audience": lambda f: f.token(claims={"aud": "somebody"}),
    "a guest credential's audience": lambda f: f.token(claims={"aud": "pulso-guest"}),
    "two audiences": lambda f: f.token(claims={"aud": ["pulso", "somebody"]}),
    "no audience": lambda f: f.token(claims={"aud": None}),
    "another issuer": lambda f: f.token(claims={"iss": "somebody"}),
    "no issuer": lambda f: f.token(claims={"iss": None}),
    "expired by a second": lambda f: f.token(claims={"exp": now() - 1}),
    "expired in 1970": lambda f: f.token(claims={"exp": 0}),
    "no exp": lambda f: f.token(claims={"exp": None}),
    "exp as text": lambda f: f.token(claims={"exp": "9999999999"}),
    "exp of 1e300": lambda f: f.token(claims={"exp": 1e300}),
    "iat two hours ahead": lambda f: f.token(claims={"iat": now() + 7200}),
    "nbf an hour ahead": lambda f: f.token(claims={"nbf": now() + 3600}),
    "no session": lambda f: f.token(claims={"sid": None}),
    "an empty subject": lambda f: f.token(claims={"sub": ""}),
    "kind root": lambda f: f.token(claims={"kind": "root"}),
    "kind admin with the old signature": lambda f: with_old_signature(f, {"kind": "admin"}),
    "another subject with the old signature": lambda f: with_old_signature(f, {"sub": "u_other"}),
    "its end cut off": lambda f: f.account.token[:-2],
    "its signature cut off": lambda f: f.account.token.rpartition(".")[0],
    "its signature cut off after the dot": lambda f: f.account.token.rpartition(".")[0] + ".",
    "one part": lambda f: f.account.token.partition(".")[0],
    "five parts, as JWE has": lambda f: f.account.token + ".x.y",
    "the same token twice": lambda f: f.account.token * 2,
    "padding": lambda f: f.account.token + "==",
    "junk in its signature": lambda f: f.account.token[:-9] + "!" + f.account.token[-9:],
    "NUL at its end": lambda f: f.account.token + "%00",
    "the session's cookie": lambda f: f.account.cookie.partition("=")[2],
    "another user's header": lambda f: "e30." + f.account.token.partition(".")[2],
    "deep nesting": lambda f: ".".join((b64url_encode(b"[" * 2000), *f.account.token.split(".")[1:])),
    "7 KB": lambda f: f.account.token + "x" * 6500,
    "bytes": lambda _: "\udcff\udcfe",
    "nothing": lambda _: "",
}


def with_old_signature(forger: Forger, claims: Json) -> str:
    header, _, signature = forger.account.token.split(".")
    return ".".join((header, b64url_encode(json.dumps({**forger.claims, **claims}).encode()), signature))


async def test_what_the_forger_signs_rightly_is_believed(target: Target, forger: Forger) -> None:
    """Else the cases below would be refused for another reason than they say."""
    answer = await ask(target, request("GET", ME, {"Authorization": f"Bearer {forger.token()}"}))
    assert answer.json["id"] == forger.account.id


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_token_with_is_answered_like_every_other(
    target: Target, forger: Forger, expect: Expect, forge: Callable[[Forger], str]
) -> None:
    anybody = await ask(target, request("GET", ME, {"Authorization": "Bearer x"}))
    answer = await ask(target, request("GET", ME, {"Authorization": f"Bearer {forge(forger)}"}))
    assert answer.body == anybody.body
    assert fixed(answer.headers) == fixed(anybody.headers)
    expect("401 unauthorized", str(answer))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Basic cm9vdDpyb290", id="Basic"),
        pytest.param("Token {}", id="another scheme"),
        pytest.param("{}", id="no scheme"),
        pytest.param("Bearer{}", id="no space"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer {},Bearer {}", id="two tokens"),
        pytest.param("Bearer null", id="null"),
    ],
)
async def test_an_authorization_with(target: Target, forger: Forger, expect: Expect, header: str) -> None:
    value = header.replace("{}", forger.account.token)
    expect("401 unauthorized", str(await ask(target, request("GET", ME, {"Authorization": value}))))


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "jwt"])
async def test_a_token_in_the_address_is_none(target: Target, forger: Forger, expect: Expect, name: str) -> None:
    answer = await ask(target, request("GET", f"{ME}?{name}={forger.account.token}"))
    expect("401 unauthorized", str(answer))


async def test_the_keys_are_public_halves_alone(target: Target, forger: Forger, expect: Expect) -> None:
    expect({"kid", "x", "kty", "crv", "alg", "use"}, set(forger.jwk))


def fixed(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ANEW}
