"""The `pulso` command. What each subcommand needs is imported when it is called."""

from __future__ import annotations

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
app.command("cli.check:check", help="Validate the settings.")
app.command("cli.user:app", name="user", help="Look after accounts.")


def main() -> None:
    try:
        result = app(result_action="return_value")
    except KeyboardInterrupt:  # before the loop runs, which then takes the signal itself
        sys.exit(130)
    sys.exit(result)


if __name__ == "__main__":
    main()
