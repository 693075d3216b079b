"""The command line of `pulso client`: who, where, what is read and shown, and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from cli import settings
from cli.client.conversation import Conversation, NoAnswer
from cli.client.output import Output
from cli.client.questions import NoNumber, PipedQuestions, Questions, number_of
from cli.client.terminal import LineEditor, TerminalView, keys_read, on_terminal
from cli.client.views import JsonView, LineView, View
from cli.live.account import Account, Denied, Guest, Login, http_session
from cli.live.address import DEFAULT, Server, check_address, servers_of
from cli.live.session import Ended
from pulso.config import ConfigFaults, load
from pulso.party import running
from pulso.process import faults_exit, run_until_signal
from services import settings as product
from services.settings import ClientSettings

MAX_GUEST_NAME: Final = 40
"""Of auth's contract; a login of the operating system may be longer, and is nobody's fault."""
FIBONACCI: Final = "numbers:fibonacci"


def client(
    *,
    url: Annotated[
        str,
        Parameter(
            env_var="WS",
            validator=lambda _, text: check_address(text),
            help="The server; several, separated by commas, are tried in turn.",
        ),
    ] = DEFAULT,
    user: Annotated[
        str | None, Parameter(help="A guest's name, or with PULSO_PASSWORD the username. [env var: USER]")
    ] = None,
    skip_input: Annotated[
        bool, Parameter(env_var="SKIP_USER_INPUT", negative="", help="Never touch standard input.")
    ] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="One JSON object a line.")] = False,
    once: Annotated[
        bool,
        Parameter(negative="", help="End when standard input has ended and all answers came."),
    ] = False,
) -> int:
    """Talk to a server until Ctrl-C; what it does and its exit codes are in the command's help."""
    with faults_exit():
        who = _who(user)
    options = _Options(servers_of(url), who, reads=not skip_input, as_json=as_json, once=once)
    outcome = _Outcome()
    run_until_signal(lambda stop: _talk(options, outcome, stop))
    if outcome.fault:
        sys.stderr.write(f"{outcome.fault}\n")
    return outcome.code


@dataclass(frozen=True, slots=True)
class _Options:
    servers: tuple[Server, ...]
    who: Guest | Login
    reads: bool
    as_json: bool
    once: bool


@dataclass(slots=True)
class _Outcome:
    code: int = 0
    fault: str = ""


def _who(user: str | None) -> Guest | Login:
    """Raises `ConfigFaults`."""
    signs_in = load(ClientSettings, settings.with_values(os.environ), known=product.ALL)
    name = user or signs_in.username or os.environ.get("USER", "").strip()[:MAX_GUEST_NAME]
    if signs_in.password and name:
        return Login(name, signs_in.password)
    if signs_in.password:
        raise ConfigFaults(["PULSO_PASSWORD: whose? Name the account with --user, PULSO_USERNAME or USER."])
    if signs_in.username and not user:
        raise ConfigFaults(["PULSO_PASSWORD: missing, and PULSO_USERNAME names an account."])
    return Guest(name or None)


async def _talk(options: _Options, outcome: _Outcome, stop: asyncio.Event) -> None:
    """Until `stop`, or until it has to end by itself, which `outcome` then tells."""
    output = Output(sys.stdout, on_closed=stop.set)
    try:
        async with http_session() as http:
            account = Account(http, options.who, begins_anew=True)
            with contextlib.ExitStack() as stack:
                view, questions = _surface(options, output, stack)
                conversation = Conversation(account, options.servers, view)
                talk = _Talk(conversation, view, output, outcome, stop)
                async with running(conversation.watch(), talk.stay(), talk.ask_all(questions, options)):
                    await stop.wait()
                conversation.close()
    finally:
        output.close()


class _Talk:
    def __init__(
        self, conversation: Conversation, view: View, output: Output, outcome: _Outcome, stop: asyncio.Event
    ) -> None:
        self._conversation = conversation
        self._view = view
        self._output = output
        self._outcome = outcome
        self._stop = stop
        self._unanswered = 0

    async def stay(self) -> None:
        try:
            await self._conversation.run()
        except (Denied, Ended) as fault:
            self._outcome.code = os.EX_NOPERM
            self._outcome.fault = f"The server does not admit us: {fault}"
            self._stop.set()

    async def ask_all(self, questions: Questions | None, options: _Options) -> None:
        """One after the other, so that answers come in the order of the questions."""
        if questions is None:
            return
        async for line in questions:
            await self._output.drain()
            try:
                found = await self._conversation.ask(FIBONACCI, {"n": number_of(line)})
                self._view.answer(found["n"], found["value"], found["digits"])
            except NoNumber as fault:
                self._refuse(line, "bad_input", str(fault))
            except NoAnswer as refused:
                self._refuse(line, refused.code, str(refused))
        if options.once:
            await self._conversation.until_connected()
            self._outcome.code = 1 if self._unanswered else 0
            self._stop.set()
        else:
            self._view.note("standard input has ended; Ctrl-C ends the rest")

    def _refuse(self, line: str, code: str, message: str) -> None:
        self._view.refusal(line, code, message)
        self._unanswered += 1


def _surface(options: _Options, output: Output, stack: contextlib.ExitStack) -> tuple[View, Questions | None]:
    """Where it is shown, and where questions come from; None where they are not to be read."""
    piped = PipedQuestions if options.reads else lambda: None
    if options.as_json:
        return JsonView(output), piped()
    if not output.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return LineView(output), piped()
    view = stack.enter_context(on_terminal(output))
    if options.reads and sys.stdin is not None and sys.stdin.isatty():
        return view, _typed(view, stack)
    return view, piped()


def _typed(view: TerminalView, stack: contextlib.ExitStack) -> Questions:
    questions = Questions()

    def ask(line: str) -> None:
        if not questions.put(line):
            view.note("too many questions wait already; this one is left out")

    stack.enter_context(keys_read(LineEditor(ask, questions.end, view.typed)))
    view.typed("")
    return questions
