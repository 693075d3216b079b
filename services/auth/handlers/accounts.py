"""Accounts: registering, logging in, promoting."""

from __future__ import annotations

from typing import Final

import structlog

from pulso.contract import Caller
from pulso.errors import ServiceError
from services.auth import contract, rules, store
from services.auth.contract import Credentials, Promotion, Registration, SignedIn, User
from services.auth.credentials import MAX_COOKIE_AGE_S, access_token, new_id, new_session_token, token_hash
from services.auth.handlers.routes import routes
from services.auth.names import username_key
from services.auth.rows import SessionRow, Taken, UserRow
from services.auth.rules import NewAccount
from services.auth.state import Auth

MAX_ADDRESS_CHARS: Final = 64

log = structlog.get_logger(__name__)


@routes.handler(contract.REGISTER)
async def register(auth: Auth, caller: Caller, request: Registration) -> SignedIn:
    """`conflict` names what is taken. It is looked up before the costly hash, and again in the transaction.

    A guest who registers stays the same person: the id goes on, and with it all that services keep under it. The
    guest's own session ends, so that whoever else may know it gets no hold of the account.
    """
    account = rules.new_account(request)
    async with auth.store.read() as connection:
        _refuse(await store.taken(connection, account.username_key, account.email_key), account)
    password_hash = await auth.passwords.hash(request.password)
    now = auth.now()
    guest = caller if caller.kind == "guest" else None
    user = UserRow(
        id=guest.id if guest else new_id("u_"),
        name=account.name,
        username=account.username,
        username_key=account.username_key,
        email=account.email,
        email_key=account.email_key,
        password_hash=password_hash,
        promoted=False,
        created_at=now,
    )
    token, session = _new_session(user, caller, now)
    guest_session = guest.session if guest else None

    found = await auth.store.write(
        lambda connection: store.add_account(connection, user, session, guest_session=guest_session)
    )
    _refuse(found, account)
    log.info("registered", user=user.id, was_guest=guest is not None)
    if guest_session:
        await auth.tell_ended([guest_session], "registered")
    return _signed_in(auth, user, session, token)


@routes.handler(contract.LOGIN)
async def login(auth: Auth, caller: Caller, request: Credentials) -> SignedIn:
    """An unknown user and a wrong password look alike, in the answer and in the time it takes."""
    rules.check_size(request.password)
    user = await _find(auth, request.username)
    if not await auth.passwords.matches(request.password, user.password_hash if user else None) or user is None:
        log.info("login failed", address=caller.address)
        raise ServiceError("unauthorized", "The username or the password is wrong.")
    renewed = None
    if auth.passwords.is_outdated(user.password_hash):
        renewed = await auth.passwords.hash(request.password)
    token, session = _new_session(user, caller, auth.now())

    await auth.store.write(lambda connection: store.add_session(connection, session, new_password_hash=renewed))
    log.info("logged in", user=user.id)
    return _signed_in(auth, user, session, token)


@routes.handler(contract.PROMOTE)
async def promote(auth: Auth, _caller: Caller, request: Promotion) -> User:
    """Holds at once for sockets and cookies. Access tokens that are out say what the user was."""
    found = await _find(auth, request.username)
    if found is None:
        raise ServiceError("not_found", f"There is no user {request.username!r}. Has the person registered?")

    promoted = await auth.store.write(lambda connection: store.promote(connection, found.id))
    assert promoted is not None, "users are never deleted"
    log.info("promoted", user=promoted.id)
    changed = auth.user(promoted)
    await auth.gateways.to_gateways(contract.USER_CHANGED, changed)
    return changed


async def _find(auth: Auth, login: str) -> UserRow | None:
    if not login.strip().isprintable():
        return None  # nobody's, and a database may not take it as a text at all: NUL, lone surrogates
    async with auth.store.read() as connection:
        if rules.is_email(login):
            return await store.user_by_email(connection, rules.email_key(login))
        return await store.user_by_username(connection, username_key(login))


def _refuse(taken: Taken | None, account: NewAccount) -> None:
    if taken == "username":
        raise ServiceError(
            "conflict", f"The username {account.username} is taken, or looks like one that is. Choose another."
        )
    if taken == "email":
        raise ServiceError("conflict", "There is an account with this e-mail address already. Log in instead.")
    if taken == "guest":
        raise ServiceError("conflict", "This guest has an account already. Log in instead.")


def _new_session(user: UserRow, caller: Caller, now: int) -> tuple[str, SessionRow]:
    token = new_session_token()
    session = SessionRow(
        id=new_id("s_"),
        token_hash=token_hash(token),
        user_id=user.id,
        created_at=now,
        last_seen_at=now,
        address=caller.address[:MAX_ADDRESS_CHARS],
        agent="",  # comes with the first request that the session makes
    )
    return token, session


def _signed_in(auth: Auth, row: UserRow, session: SessionRow, token: str) -> SignedIn:
    lifetime_s = auth.settings.token_seconds
    return SignedIn(
        user=auth.profile(row),
        access_token=access_token(auth.keys, auth.user(row), session.id, now=auth.now(), lifetime_s=lifetime_s),
        expires_in=lifetime_s,
        credential=token,
        max_age_s=MAX_COOKIE_AGE_S,
    )
