"""Verify access tokens: EdDSA (Ed25519) JWTs in the one form that auth signs.

A token says nothing about how it is to be checked: the algorithm is fixed, the key is one of those that the
verifier was given, and a header with anything beyond `alg`, `kid` and `typ` (`jku`, `x5u`, `jwk`, `crit`...) is
refused (RFC 8725).
"""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Protocol

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ISSUER: Final = "pulso"
AUDIENCE: Final = "pulso"
ALGORITHM: Final = "EdDSA"

MAX_TOKEN_BYTES: Final = 4096
MAX_REMEMBERED: Final = 10_000
CLOCK_SKEW_S: Final = 3600
"""How far ahead of ours the signer's clock may be, or ours was set back since. A token's end is exact."""

Kind = Literal["guest", "user", "admin"]
Word = Annotated[str, msgspec.Meta(min_length=1)]


class InvalidToken(Exception):
    """A token that is not believed, whatever is wrong with it: the sender learns nothing from the difference.

    `unknown_key` tells the verifier's owner that the signer may have a newer key.
    """

    def __init__(self, *, unknown_key: bool = False) -> None:
        super().__init__("The access token is not valid.")
        self.unknown_key = unknown_key


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token says; all of it is required. `iat` and `exp` are seconds since 1970, `sid` is the session.

    `nbf` alone is not: auth never writes it, and a token that has one is not believed before.

    `{"iss": "pulso", "aud": "pulso", "sub": "u_4kq...", "iat": 1767225600, "exp": 1767226500, "jti": "...",
    "sid": "s_9f2...", "name": "Ana", "kind": "user"}`
    """

    iss: str
    aud: str
    sub: Word
    iat: int
    exp: int
    jti: Word
    sid: Word
    name: str
    kind: Kind
    nbf: int = 0


class PublicKey(Protocol):
    """The two fields of a JSON Web Key that matter here: `x` is the Ed25519 key, base64url (RFC 8037)."""

    @property
    def kid(self) -> str: ...
    @property
    def x(self) -> str: ...


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: Literal["EdDSA"]
    kid: str
    typ: Literal["JWT"] = "JWT"


class TokenVerifier:
    """Believes tokens of one audience that one of `keys` has signed.

    A verified token is remembered until it ends, because a signature costs a hundred times a look-up.
    """

    def __init__(
        self, keys: Iterable[PublicKey], *, audience: str = AUDIENCE, remembered: int = MAX_REMEMBERED
    ) -> None:
        self._keys = {key.kid: Ed25519PublicKey.from_public_bytes(b64url_decode(key.x)) for key in keys}
        self._audience = audience
        self._remembered = remembered
        self._verified: OrderedDict[str, Claims] = OrderedDict()
        self._jws = jwt.PyJWS(algorithms=[ALGORITHM])

    def verify(self, token: str, now: float) -> Claims:
        """What the token claims; `now` is in seconds since 1970. Raises `InvalidToken`."""
        claims = self._verified.get(token)
        if claims is None:
            claims = self._checked(token)
            if claims.iat > now + CLOCK_SKEW_S or claims.nbf > now:
                raise InvalidToken
            self._remember(token, claims)
        else:
            self._verified.move_to_end(token)
        if claims.exp <= now:
            self._verified.pop(token, None)
            raise InvalidToken
        return claims

    def _checked(self, token: str) -> Claims:
        """Form, signature, issuer and audience."""
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise InvalidToken
        try:
            # Of one token there is one spelling: PyJWT passes over padding, junk and bits that do not count.
            parts = [b64url_decode(part) for part in token.split(".")]
            if token != ".".join(map(b64url_encode, parts)):
                raise InvalidToken
            header = msgspec.json.decode(parts[0], type=_Header)
            key = self._keys.get(header.kid)
            if key is None:
                raise InvalidToken(unknown_key=True)
            signed = self._jws.decode_complete(token, key, algorithms=[ALGORITHM])
            claims = msgspec.json.decode(signed["payload"], type=Claims)
        except (jwt.PyJWTError, msgspec.MsgspecError, ValueError, RecursionError):
            raise InvalidToken from None
        if claims.iss != ISSUER or claims.aud != self._audience:
            raise InvalidToken
        return claims

    def _remember(self, token: str, claims: Claims) -> None:
        self._verified[token] = claims
        if len(self._verified) > self._remembered:
            self._verified.popitem(last=False)


def sign(claims: Claims, key: Ed25519PrivateKey, kid: str) -> str:
    """The other direction, for whoever holds a private key."""
    return jwt.PyJWS().encode(msgspec.json.encode(claims), key, algorithm=ALGORITHM, headers={"kid": kid})


def b64url_encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text: str) -> bytes:
    """Raises ValueError for anything outside the alphabet."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as fault:
        raise ValueError("not base64url") from fault
