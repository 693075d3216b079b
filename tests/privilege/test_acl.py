"""Each user against every channel, key and command that is not its own, on a real Redis.

The tables here are written down once more by hand, who is meant to hear and say what: a rule that is too wide
does not prove itself right.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest

from cli.permissions import SERVICES, users_of
from pulso.permissions import acl_file, plain_service
from tests.privilege.conftest import PREFIX, STRANGER, USERS, Guarded, Wire

EVERY_SERVICE: Final = frozenset({*SERVICES, STRANGER})
NOBODY: Final[frozenset[str]] = frozenset()
PARTIES: Final = EVERY_SERVICE | {"gateway"}

Who = frozenset[str]

# The channel, who may subscribe to it, and who may publish on it.
CHANNELS: Final[dict[str, tuple[Who, Who]]] = {
    **{f"svc:{name}:0": (Who({name}), Who({name, "gateway"})) for name in EVERY_SERVICE - {"auth"}},
    "svc:auth:0": (Who({"auth"}), Who({"auth", "gateway", "cli"})),
    "svc:auth:@auth-1": (Who({"auth"}), Who({"auth", "gateway"})),
    "svc:cli:@cli-1": (Who({"cli"}), EVERY_SERVICE | {"cli", "gateway"}),
    **{f"files:{name}:0": (Who({name}), Who({"cli"})) for name in EVERY_SERVICE},
    "gw:gw-1": (Who({"gateway"}), PARTIES),
    "gw:gw-1:probe": (Who({"gateway"}), PARTIES),
    "control": (Who({"gateway"}), EVERY_SERVICE),
    "identity": (Who({"gateway"}), Who({"auth"})),
    "connections": (Who({"chat", "presence"}), Who({"gateway"})),
    "reports": (Who({"cli", "ops"}), PARTIES),
    "report-now": (PARTIES, Who({"cli", "ops"})),
    "topic:user.u-1": (Who({"gateway"}), PARTIES),
    "topic:chat.room.sala-1": (Who({"gateway"}), Who({"chat"})),
    "topic:numbers.parts": (Who({"gateway", "numbers"}), Who({"numbers"})),
    "topic:clock.ticks": (Who({"gateway"}), Who({"clock"})),
    "elsewhere": (NOBODY, NOBODY),
}

LEASING: Final = (("GET",), ("SET", "x"), ("DEL",), ("ZADD", "1", "x"), ("ZREM", "x"))

# Who may send which command on which key. Whoever is not named may not send any of them on it.
KEYS: Final[dict[str, dict[str, tuple[tuple[str, ...], ...]]]] = {
    **{f"lease:{name}:0": {name: LEASING} for name in EVERY_SERVICE},
    **{f"instances:{name}": {name: LEASING} for name in EVERY_SERVICE},
    **{
        f"manifest:{name}": {name: (("SET", "x"),), "gateway": (("MGET",),), "cli": (("MGET",),)}
        for name in EVERY_SERVICE
    },
    "services": {
        **dict.fromkeys(EVERY_SERVICE, (("SADD", "x"),)),
        "gateway": (("SMEMBERS",),),
        "cli": (("SMEMBERS",),),
    },
    "limit:login:0": {"gateway": (("INCRBY", "1"), ("TTL",), ("EXPIRE", "1"))},
    "journal": {
        "gateway": (("XADD", "*", "a", "b"), ("XRANGE", "-", "+")),
        "journal": (("XACK", "g", "1-1"), ("XDEL", "1-1")),
    },
    "journal:committed": {"gateway": (("HGET", "x"),), "journal": (("HSET", "x", "1"), ("HDEL", "x"))},
}
ON_KEYS: Final = sorted({sent for senders in KEYS.values() for sent in itertools.chain(*senders.values())})


@pytest.mark.parametrize("user", USERS)
def test_a_user_hears_and_says_what_is_its_own_and_nothing_else(guarded: Guarded, user: str) -> None:
    wrong = []
    with guarded.client(user) as client:
        for channel, (hears, says) in CHANNELS.items():
            heard, said = user in hears, user in says
            if not guarded.has_selectors:
                heard = said = heard or said
            name = f"{PREFIX}:{channel}"
            if client.is_refused("SUBSCRIBE", name) is heard:
                wrong.append(f"SUBSCRIBE {name}")
            if heard:
                client.ask("UNSUBSCRIBE", name)
            if not client.is_refused("PSUBSCRIBE", name):
                wrong.append(f"PSUBSCRIBE {name}")
            if client.is_refused("PUBLISH", name, "x") is said:
                wrong.append(f"PUBLISH {name}")
    assert wrong == []


def test_nobody_hears_or_says_anything_under_another_prefix(guarded: Guarded) -> None:
    for user in USERS:
        with guarded.client(user) as client:
            for channel in ("other:gw:gw-1", "other:control", f"{PREFIX}2:control", "__keyspace@0__:x"):
                assert client.is_refused("PUBLISH", channel, "x"), (user, channel)
                assert client.is_refused("SUBSCRIBE", channel), (user, channel)


@pytest.mark.parametrize("user", USERS)
def test_a_user_touches_its_own_keys_alone(guarded: Guarded, user: str) -> None:
    wrong = []
    with guarded.auditor() as auditor, guarded.client(user) as client:
        for key, senders in KEYS.items():
            allowed = senders.get(user, ())
            for command, *arguments in ON_KEYS:
                words = (command, f"{PREFIX}:{key}", *arguments)
                auditor.ask("DEL", f"{PREFIX}:{key}")
                may = (command, *arguments) in allowed
                # Redis 6 knows the commands and the keys of a user, and not which go together.
                if not guarded.has_selectors and allowed and not may:
                    continue
                if client.is_refused(*words) is may:
                    wrong.append(" ".join(words))
            auditor.ask("DEL", f"{PREFIX}:{key}")
    assert wrong == []


@pytest.mark.parametrize("user", sorted(PARTIES))
def test_a_script_reaches_no_further_than_its_user(guarded: Guarded, user: str) -> None:
    foreign = "auth" if user != "auth" else "chat"
    with guarded.auditor() as auditor, guarded.client(user) as client:
        auditor.ask("SET", f"{PREFIX}:lease:{foreign}:0", "auth-1")
        for body in (
            f"return redis.call('GET', '{PREFIX}:lease:{foreign}:0')",
            "return redis.call('FLUSHALL')",
            "return redis.call('KEYS', '*')",
            f"return redis.call('PUBLISH', '{PREFIX}:svc:{foreign}:0:x', 'x')",
        ):
            if user == "gateway" and "PUBLISH" in body:
                continue
            digest = client.ask("SCRIPT", "LOAD", body).decode()
            assert client.is_refused("EVALSHA", digest, "0"), body
        assert auditor.ask("GET", f"{PREFIX}:lease:{foreign}:0") == b"auth-1"


@pytest.mark.parametrize("user", USERS)
def test_every_command_that_a_user_was_not_given_is_refused(guarded: Guarded, user: str) -> None:
    """All that this Redis knows, by its own list; with as many arguments as each wants."""
    given = {
        command.partition("|")[0]
        for one in users_of(PREFIX, (*SERVICES, STRANGER))
        if one.name == user
        for grant in one.grants
        for command in grant.commands
    }
    # Redis lets everybody sign in, and leave.
    always = {"auth", "hello", "quit", "reset"}
    with guarded.auditor() as auditor, guarded.client(user) as client:
        known: dict[str, Any] = {row[0].decode().lower(): row[1] for row in auditor.ask("COMMAND")}
        assert len(known) > 200
        through = [
            name
            for name, arity in sorted(known.items())
            if name not in given | always and not client.is_refused(name, *["x"] * (abs(int(arity)) - 1))
        ]
    assert through == []


DANGEROUS: Final = (
    ("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "GET", "*"), ("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    ("CONFIG", "REWRITE"), ("KEYS", "*"), ("SCAN", "0"), ("RANDOMKEY",), ("DBSIZE",), ("DEBUG", "SLEEP", "0"),
    ("EVAL", "return 1", "0"), ("SCRIPT", "FLUSH"), ("SCRIPT", "KILL"), ("MODULE", "LIST"),
    ("MODULE", "LOAD", "x.so"), ("SAVE",), ("BGSAVE",), ("BGREWRITEAOF",), ("SHUTDOWN", "NOSAVE"),
    ("ACL", "LIST"), ("ACL", "SETUSER", "x", "on"), ("ACL", "WHOAMI"), ("ACL", "LOG"), ("MONITOR",),
    ("REPLICAOF", "127.0.0.1", "6379"), ("SLAVEOF", "NO", "ONE"), ("SYNC",), ("PSYNC", "?", "-1"),
    ("CLIENT", "LIST"), ("CLIENT", "KILL", "TYPE", "pubsub"), ("CLIENT", "PAUSE", "1"),
    ("CLIENT", "NO-EVICT", "on"),
    ("PUBSUB", "CHANNELS"), ("PSUBSCRIBE", "*"), ("MIGRATE", "127.0.0.1", "1", "k", "0", "1"), ("DUMP", "k"),
    ("RESTORE", "k", "0", "x"), ("SWAPDB", "0", "1"), ("SELECT", "1"), ("SLOWLOG", "GET"), ("LATENCY", "DOCTOR"),
    ("MEMORY", "DOCTOR"), ("OBJECT", "ENCODING", "k"), ("RENAME", "a", "b"), ("WAIT", "1", "1"), ("ROLE",),
    ("XGROUP", "DESTROY", f"{PREFIX}:journal", "journal"), ("XTRIM", f"{PREFIX}:journal", "MAXLEN", "0"),
)  # fmt: skip


@pytest.mark.parametrize("user", USERS)
def test_no_user_may_end_empty_reconfigure_or_look_through_redis(guarded: Guarded, user: str) -> None:
    with guarded.client(user) as client:
        through = [" ".join(words) for words in DANGEROUS if not client.is_refused(*words)]
    assert through == []
    with guarded.auditor() as auditor:
        assert auditor.ask("PING") == b"PONG"


def test_redis_may_be_asked_how_it_is_by_those_who_show_it(guarded: Guarded) -> None:
    may = set()
    for user in USERS:
        with guarded.client(user) as client:
            if not client.is_refused("INFO"):
                may.add(user)
    assert may == {"cli", "ops"}


def test_without_a_users_own_password_nobody_gets_in(guarded: Guarded) -> None:
    tried = [("default", ""), ("default", guarded.passwords["auth"]), ("chat", guarded.passwords["auth"])]
    for username, password in [*tried, ("chat", ""), ("nobody", "x")]:
        with Wire(guarded.server.socket, username, password) as wire:
            assert not wire.is_let_in()
            assert "NOAUTH" in str(wire.ask("PING"))
    with guarded.client("chat") as chat:
        assert chat.is_let_in()


def test_the_acl_holds_no_password(guarded: Guarded) -> None:
    text = acl_file(users_of(PREFIX), guarded.passwords, has_selectors=True)
    assert not [user for user, password in guarded.passwords.items() if password in text]


@pytest.mark.parametrize(
    "name", ["user", "cli", "default", "health", "server", "", "Bell", "a b", "a*", "a~x", "-", "x:y"]
)
def test_a_service_cannot_take_what_is_not_its_own_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a service"):
        plain_service(name, PREFIX)
