"""Access tokens: what is believed, and everything that is not."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pulso import tokens
from pulso.tokens import CLOCK_SKEW_S, Claims, InvalidToken, TokenVerifier

NOW = 1_767_225_600
CLAIMS = Claims("pulso", "pulso", "u_ana", NOW, NOW + 900, "j1", "s_1", "Ana", "user")


@dataclass(frozen=True)
class Key:
    kid: str
    x: str


def public(key: Ed25519PrivateKey, kid: str = "k1") -> Key:
    return Key(kid, tokens.b64url_encode(key.public_key().public_bytes_raw()))


KEY = Ed25519PrivateKey.generate()
TOKEN = tokens.sign(CLAIMS, KEY, "k1")


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier([public(KEY)])


def segment(value: Any) -> str:
    return tokens.b64url_encode(json.dumps(value).encode())


def signed(header: dict[str, Any], claims: dict[str, Any], key: Ed25519PrivateKey = KEY) -> str:
    """A token with a good signature over whatever it says."""
    content = f"{segment(header)}.{segment(claims)}"
    return f"{content}.{tokens.b64url_encode(key.sign(content.encode()))}"


HEADER = {"alg": "EdDSA", "kid": "k1", "typ": "JWT"}
SAYS: dict[str, Any] = msgspec.to_builtins(CLAIMS)


def test_a_token_says_who_it_is(verifier: TokenVerifier) -> None:
    assert verifier.verify(TOKEN, NOW) == CLAIMS
    assert verifier.verify(signed(HEADER, SAYS), NOW) == CLAIMS


def test_a_token_is_a_jwt_for_others_too() -> None:
    assert jwt.get_unverified_header(TOKEN) == HEADER
    key = jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": public(KEY).x}).key
    options: Any = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(TOKEN, key, algorithms=["EdDSA"], audience="pulso", options=options)["sub"] == "u_ana"


def test_a_token_ends_to_the_second_however_often_it_was_believed(verifier: TokenVerifier) -> None:
    verifier.verify(TOKEN, NOW)
    verifier.verify(TOKEN, NOW + 899.9)
    with pytest.raises(InvalidToken):
        verifier.verify(TOKEN, NOW + 900)
    with pytest.raises(InvalidToken):
        TokenVerifier([public(KEY)]).verify(TOKEN, NOW + 900)


def test_a_token_from_the_future_is_refused_but_for_clocks_that_differ(verifier: TokenVerifier) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(TOKEN, NOW - CLOCK_SKEW_S - 1)
    TokenVerifier([public(KEY)]).verify(TOKEN, NOW - CLOCK_SKEW_S + 1)


def test_a_clock_that_is_set_back_ends_no_token(verifier: TokenVerifier) -> None:
    assert verifier.verify(TOKEN, NOW - 300) == CLAIMS


@pytest.mark.parametrize(
    "spelling", [TOKEN + "==", TOKEN + "=", TOKEN + "\n", TOKEN[:-9] + "!" + TOKEN[-9:], TOKEN + "."]
)
def test_a_token_has_one_spelling(verifier: TokenVerifier, spelling: str) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(spelling, NOW)


def test_bits_that_do_not_count_are_none(verifier: TokenVerifier) -> None:
    """The last character of 64 bytes carries two bits of them, and four that decoders throw away."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(TOKEN[-1])
    with pytest.raises(InvalidToken):
        verifier.verify(TOKEN[:-1] + alphabet[last ^ 1], NOW)


def test_a_token_is_not_believed_before_its_time(verifier: TokenVerifier) -> None:
    later = signed(HEADER, {**SAYS, "nbf": NOW + 300})
    with pytest.raises(InvalidToken):
        verifier.verify(later, NOW)
    assert verifier.verify(later, NOW + 300).sub == "u_ana"
    with pytest.raises(InvalidToken):
        verifier.verify(signed(HEADER, {**SAYS, "nbf": "soon"}), NOW)


@pytest.mark.parametrize("claim", sorted(SAYS))
def test_every_claim_is_required_and_of_its_type(verifier: TokenVerifier, claim: str) -> None:
    without = {name: value for name, value in SAYS.items() if name != claim}
    for claims in (without, {**SAYS, claim: None}, {**SAYS, claim: [SAYS[claim]]}, {**SAYS, claim: {"a": 1}}):
        with pytest.raises(InvalidToken):
            verifier.verify(signed(HEADER, claims), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "somebody"},
        {"aud": "pulso-guest"},
        {"sub": ""},
        {"sid": ""},
        {"kind": "anonymous"},
        {"kind": "root"},
        {"exp": "1867225600"},
        {"exp": True},
        {"exp": 1e300},
    ],
)
def test_a_claim_that_says_something_else_is_refused(verifier: TokenVerifier, changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(signed(HEADER, {**SAYS, **changed}), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "Ed25519"},
        {"alg": ["EdDSA"]},
        {"typ": "JWE"},
        {"kid": 1},
        {"kid": None},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/keys"},
        {"jwk": {"kty": "OKP"}},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
        {"b64": True},
    ],
)
def test_a_header_has_no_say_in_how_it_is_checked(verifier: TokenVerifier, changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(signed({**HEADER, **changed}, SAYS), NOW)


def test_the_public_key_is_no_shared_secret(verifier: TokenVerifier) -> None:
    content = f"{segment({**HEADER, 'alg': 'HS256'})}.{segment(SAYS)}"
    for secret in (KEY.public_key().public_bytes_raw(), public(KEY).x.encode()):
        mac = tokens.b64url_encode(hmac.digest(secret, content.encode(), "sha256"))
        with pytest.raises(InvalidToken):
            verifier.verify(f"{content}.{mac}", NOW)


def test_an_unknown_key_is_told_from_other_failures(verifier: TokenVerifier) -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(InvalidToken) as unknown:
        verifier.verify(tokens.sign(CLAIMS, other, "k2"), NOW)
    assert unknown.value.unknown_key
    with pytest.raises(InvalidToken) as forged:
        verifier.verify(tokens.sign(CLAIMS, other, "k1"), NOW)
    assert not forged.value.unknown_key
    assert str(unknown.value) == str(forged.value)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "x.y.z",
        "é.é.é",
        "\ud800",
        TOKEN + ".x",
        TOKEN.rpartition(".")[0] + ".",
        " " + TOKEN,
        TOKEN + "\n",
        "a" * 5000,
        tokens.b64url_encode(b"[" * 3000) + ".e30.e30",
        tokens.b64url_encode(b'{"alg":"EdDSA","kid":' + b"[" * 2900) + ".e30.e30",
        tokens.sign(msgspec.structs.replace(CLAIMS, name="x" * 4096), KEY, "k1"),
    ],
)
def test_what_is_no_token_is_refused(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(token, NOW)


@given(position=st.integers(0, len(TOKEN) - 1), char=st.sampled_from("AQgwz09_-.= "))
def test_a_token_with_another_character_is_refused(position: int, char: str) -> None:
    changed = TOKEN[:position] + char + TOKEN[position + 1 :]
    if changed != TOKEN:
        with pytest.raises(InvalidToken):
            TokenVerifier([public(KEY)]).verify(changed, NOW)


def test_a_believed_token_is_not_checked_again_and_only_so_many_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verifier = TokenVerifier([public(KEY)], remembered=2)
    many = [tokens.sign(msgspec.structs.replace(CLAIMS, jti=f"j{i}"), KEY, "k1") for i in range(3)]
    for token in (many[0], many[1], many[0], many[2]):  # the second is the one used longest ago
        verifier.verify(token, NOW)
    checks: list[str] = []
    check = jwt.PyJWS.decode_complete

    def counting(self: jwt.PyJWS, token: str, *args: Any, **kwargs: Any) -> Any:
        checks.append(token)
        return check(self, token, *args, **kwargs)

    monkeypatch.setattr(jwt.PyJWS, "decode_complete", counting)
    verifier.verify(many[0], NOW)
    verifier.verify(many[2], NOW)
    assert checks == []
    verifier.verify(many[1], NOW)
    assert checks == [many[1]]


@given(st.binary(max_size=100))
def test_base64url_comes_back(data: bytes) -> None:
    text = tokens.b64url_encode(data)
    assert tokens.b64url_decode(text) == data == base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
