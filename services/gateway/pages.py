"""The pages that people see: language, rendering, caching rules, Content-Security-Policy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp_jinja2
import jinja2
import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from markupsafe import Markup
from yarl import URL

from services.auth.contract import User
from services.gateway.assets import YEAR_S, Assets

Visitor = Callable[[web.Request], Awaitable[User | None]]
Lang = Literal["en", "pt-BR"]

LANGS: Final[tuple[Lang, ...]] = ("en", "pt-BR")
SCHEMES: Final = frozenset({"light", "dark"})
HOME: Final = "/numbers"
NOT_PAGES: Final = ("/api/", "/assets/", "/socket.io/", "/static/", "/.well-known/")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its template is `<name>.html`. `for_newcomers` sends on whoever is logged in already.

    One that `needs_admin` is forbidden to everybody else, and stands in no one else's navigation.
    One that `has_frames` may show frames of ours.
    """

    path: str
    name: str
    needs_user: bool = False
    needs_admin: bool = False
    for_newcomers: bool = False
    in_navigation: bool = False
    has_frames: bool = False


PAGES: Final = (
    Page("/", "landing"),
    Page("/login", "login", for_newcomers=True),
    Page("/register", "register", for_newcomers=True),
    Page("/numbers", "numbers", needs_user=True, in_navigation=True),
    Page("/chat", "chat", needs_user=True, in_navigation=True),
    Page("/people", "people", needs_user=True, in_navigation=True),
    Page("/sales", "sales", needs_user=True, in_navigation=True),
    Page("/fibonacci", "fibonacci", needs_user=True, in_navigation=True),
    Page("/log", "log", needs_user=True, needs_admin=True, in_navigation=True),
    Page("/ops", "ops", needs_user=True, needs_admin=True, in_navigation=True),
    Page("/docs", "docs"),
    Page("/docs/events", "docs-events", has_frames=True),
)
_WITH_FRAMES: Final = frozenset(page.name for page in PAGES if page.has_frames)
FRAME: Final = "/docs/frame"
"""The document of a frame of its own: what shows AsyncAPI needs `eval`, which no page of ours has."""
FRAME_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)


def setup_pages(app: web.Application, *, frontend: Path, visitor: Visitor) -> None:
    """Serve the pages, and answer people who open what is not there with a page, too.

    `visitor` tells who looks, None where nobody can be told apart (guests are off, auth is away).
    """
    site = _Site(frontend, visitor)
    loader = jinja2.FileSystemLoader(frontend / "templates")
    aiohttp_jinja2.setup(app, loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    app.middlewares.append(site.error_pages)
    for page in PAGES:
        app.router.add_get(page.path, site.handler(page))
    app.router.add_get(FRAME, site.frame)


@dataclass(slots=True)
class _Site:
    """What rendering needs, read once: texts and the import map."""

    frontend: Path
    visitor: Visitor
    assets: Assets = field(init=False)
    texts: dict[Lang, dict[str, str]] = field(init=False)
    imports: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.assets = Assets(self.frontend / "static")
        english = _read_json(self.frontend / "i18n" / "en.json")
        self.texts = {lang: english | _read_json(self.frontend / "i18n" / f"{lang}.json") for lang in LANGS}
        self.imports = _read_json(self.frontend / "import-map.json")["imports"]

    def handler(self, page: Page) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            if "lang" in request.query:
                return _with_language(request)
            user = await self.visitor(request)
            is_member = user is not None and user.kind != "guest"
            if page.for_newcomers and is_member:
                return _redirect(safe_next(request.query.get("next")))
            if page.needs_user and user is None:
                return _redirect(str(URL("/login").with_query(next=page.path)))
            if page.needs_admin and (user is None or user.kind != "admin"):
                return self.render(request, "error", user=user, status=403)
            return self.render(request, page.name, user=user)

        return serve

    @web.middleware
    async def error_pages(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A person gets a page where a program gets a status."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400 or not _is_for_a_person(request):
                raise
            return self.render(request, "error", user=None, status=error.status)
        except Exception:
            if not _is_for_a_person(request):
                raise
            log.exception("page failed", path=request.path)
            return self.render(request, "error", user=None, status=500)

    async def frame(self, request: web.Request) -> web.StreamResponse:
        """Without an origin, cookies and network: it shows what the page around it sends in."""
        response = aiohttp_jinja2.render_template("docs-frame.html", request, {"asset": self.assets.url})
        response.headers[hdrs.CONTENT_SECURITY_POLICY] = FRAME_POLICY
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return response

    def render(self, request: web.Request, page: str, *, user: User | None, status: int = 200) -> web.Response:
        lang = language(request)
        import_map = self.import_map()
        context = {
            "page": page,
            "pages": PAGES,
            "path": request.path,
            "status": status,
            "user": user,
            "is_member": user is not None and user.kind != "guest",
            "lang": lang,
            "langs": LANGS,
            "scheme": _scheme(request),
            "t": _translator(self.texts[lang]),
            "asset": self.assets.url,
            "import_map": Markup(import_map),  # noqa: S704  # ours, and with every < escaped
            "page_data": self.page_data(lang, user),
            "next": safe_next(request.query.get("next")),
            "ended": request.query.get("ended", ""),
            "has_text": self.texts[lang].__contains__,
        }
        response = aiohttp_jinja2.render_template(f"{page}.html", request, context, status=status)
        response.headers[hdrs.CONTENT_SECURITY_POLICY] = content_security_policy(
            [import_map], frames=page in _WITH_FRAMES
        )
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        response.headers[hdrs.VARY] = "Accept-Language, Cookie"
        return response

    def import_map(self) -> str:
        """Libraries by name, and our own modules by version: so a page never mixes modules of two releases.

        Read anew for each page, a few stat calls: whoever works on a module sees the change on the next reload.
        """
        libraries = {name: self.assets.url(url.removeprefix("/assets/")) for name, url in self.imports.items()}
        modules = {f"/assets/{path}": self.assets.url(path) for path in self.assets.modules()}
        return _script_json({"imports": libraries | modules})

    def page_data(self, lang: Lang, user: User | None) -> Markup:
        """What scripts need to know. Texts under `page.` are for templates only."""
        texts = {key: text for key, text in self.texts[lang].items() if not key.startswith("page.")}
        who = None if user is None else msgspec.to_builtins(user)
        return Markup(_script_json({"lang": lang, "user": who, "messages": texts}))  # noqa: S704  # escaped there


def content_security_policy(inline_scripts: Iterable[str], *, frames: bool) -> str:
    """Only our own files, the inline scripts with exactly this text, and images that the page has at hand.

    Frames of ours where the page has some.
    """
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline_scripts)
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in hashes)])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; media-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" + ("; frame-src 'self'" if frames else "")
    )


def language(request: web.Request) -> Lang:
    """The one that was chosen, else the best that the browser accepts, else English."""
    chosen = _supported(request.cookies.get("lang", ""))
    if chosen is not None:
        return chosen
    accepted: list[tuple[float, Lang]] = []
    for part in request.headers.get(hdrs.ACCEPT_LANGUAGE, "")[:500].split(","):
        tag, _, quality = part.strip().partition(";")
        weight = re.fullmatch(r"\s*q=(0(\.\d{0,3})?|1(\.0{0,3})?)\s*", quality)
        lang = _supported(tag)
        if lang is not None and (weight or not quality):
            accepted.append((float(weight[1]) if weight else 1.0, lang))
    wanted = [(weight, lang) for weight, lang in accepted if weight > 0]
    return max(wanted, key=lambda choice: choice[0], default=(1.0, LANGS[0]))[1]


def safe_next(wanted: str | None) -> str:
    """Where to go after logging in: a path of this site, else the numbers.

    Browsers take a backslash for a slash and pass over control characters: `/\\evil` and `/<tab>/evil` are other
    sites.
    """
    if not wanted or not re.fullmatch(r"/(?![/\\])[^\x00-\x20\x7f\\]*", wanted):
        return HOME
    path = wanted.partition("?")[0].rstrip("/")
    return HOME if path in {"/login", "/register"} else wanted


def _supported(tag: str) -> Lang | None:
    primary = tag.strip().partition("-")[0].lower()
    return next((lang for lang in LANGS if lang.partition("-")[0] == primary), None)


def _with_language(request: web.Request) -> web.Response:
    """The same page again, in the language that was asked for and from now on."""
    query = {key: value for key, value in request.query.items() if key != "lang"}
    response = _redirect(str(URL(request.path).with_query(query)))
    lang = _supported(request.query["lang"])
    if lang is not None:
        response.set_cookie("lang", lang, max_age=YEAR_S, path="/", samesite="Lax")
    return response


def _redirect(to: str) -> web.Response:
    return web.Response(status=302, headers={hdrs.LOCATION: to, hdrs.CACHE_CONTROL: "no-store"})


def _is_for_a_person(request: web.Request) -> bool:
    accepts_html = "text/html" in request.headers.get(hdrs.ACCEPT, "")
    return request.method in {"GET", "HEAD"} and accepts_html and not request.path.startswith(NOT_PAGES)


def _scheme(request: web.Request) -> str:
    scheme = request.cookies.get("scheme", "")
    return scheme if scheme in SCHEMES else "auto"


def _translator(texts: Mapping[str, str]) -> Callable[..., str]:
    def t(key: str, **values: object) -> str:
        text = texts[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    return t


def _script_json(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _read_json(file: Path) -> dict[str, Any]:
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{file} must hold an object")
    return content
