"""The `pulso` command. What each subcommand needs is imported when it is called."""

from __future__ import annotations

import os
import signal
import sys

from cyclopts import App

from pulso import __version__

app = App(
    name="pulso",
    help="Pulso: a self-hosted live room for teams. Settings are PULSO_* variables; flags win over them.",
    version=__version__,
    version_flags=["--version"],
)
app.command("cli.up:up", help="Run everything on this machine, until Ctrl-C.")
app.command(
    "cli.generate:generate",
    help="""Append made-up sales to a file, steadily, until Ctrl-C.

    The first is written at once, and N of them within N intervals: what a write takes delays no later one. Whole
    lines are appended, so several generators may share a file, and the file may be renamed at any time.

    Exit codes: 0 after --count or Ctrl-C, 74 where the file cannot be written.""",
)
app.command(
    "cli.collector.command:collect",
    help="""Take a server's sales into a SQLite file, each of them once, until Ctrl-C.

    It signs in with PULSO_USERNAME and PULSO_PASSWORD, else with an access token (PULSO_TOKEN, PULSO_TOKEN_FILE;
    --token-file wins over all), else as a guest. It may be started before the server, killed and started again:
    the cursor is stored together with the records, which are in the table `sales`.

    Exit codes: 0 at the end or after Ctrl-C, 64 for an address that is none, 69 where --once got nowhere for a
    minute, 73 where the file cannot be used, 76 where the server is none of ours, 77 where it does not let us in,
    78 for wrong settings.""",
)
app.command(
    "cli.client.command:client",
    help="""Print a server's clock and number events, and F(n) for each n on standard input, until Ctrl-C.

    It comes as a guest named after USER; with PULSO_PASSWORD, or PULSO_PASSWORD_FILE, it signs in as that user. A
    lost connection is made again, after a pause that grows to five seconds. Events go to standard output, how the
    connection does to standard error; with --json everything is on standard output.

    Exit codes: 0 after Ctrl-C or SIGTERM, and when nobody reads the output any more; 1 where with --once a
    question had no answer; 2 for a wrong flag, WS or SKIP_USER_INPUT; 77 where the server does not admit us, or
    ends the session; 78 for wrong settings.""",
)
app.command(
    "cli.bots.command:bots",
    help="""Let number clients live as in the browser, and check that nothing is forgotten that was acknowledged.

    Each is a guest of its own: every 500 ms it adds its step to its value and sends it, every 3 to 5 s it draws an
    even or an odd number as its step. A bot that loses its connection comes back, and is told its number; at the
    end all connect anew, and what they are told is held against what was acknowledged. Ctrl-C ends the run early.

    More than 60 bots: start the server with PULSO_LIMIT_GUESTS_PER_MINUTE=0, else they are admitted minute by
    minute; more than 1000: with PULSO_LIMIT_CONNECTIONS_PER_ADDRESS=0, too.

    Exit codes: 0 where everything that was acknowledged was still there; 1 where something was not, or could not
    be read back; 2 for a wrong flag or WS; 77 where the server does not admit the bots.""",
)
app.command("cli.check:check", help="Validate the settings.")
app.command("cli.status:status", help="Say how everything stands.")
app.command("cli.backup:backup", help="Back up all databases of a running Pulso.")
app.command("cli.restore:restore", help="Put a backup into the data folder of a stopped Pulso.")
app.command("cli.redis_users:redis_users", name="redis-users", help="Make the users of Redis, and their ACL.")
app.command("cli.user:app", name="user", help="Look after accounts.")


def main() -> None:
    try:
        result = app(result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has seen enough: `pulso check | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's own last flush
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:  # before the loop runs, which then takes the signal itself
        sys.exit(130)
    sys.exit(result)


if __name__ == "__main__":
    main()
