"""What sales offers: the records of the feed page by page, their sums by minute and product, and the live feed."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from pulso.contract import Access, Contract, Endpoint, Event, Example, Nothing, Surface, Topic

MAX_PAGE: Final = 1000
MAX_WAIT_S: Final = 30
MAX_MINUTES: Final = 24 * 60
LATEST: Final = 100


class Sale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record. Money is integer cents, `sold_at` ISO-8601 UTC; `total_cents` is what was paid.

    `{"id": "019a9e3c-...", "sold_at": "2026-01-31T12:00:00.000Z", "store": "Recife", "seller": "Ana Souza",
    "product": "Café torrado 500 g", "category": "Mercearia", "quantity": 2, "unit_price_cents": 2190,
    "total_cents": 4380, "payment": "pix"}`
    """

    id: str
    sold_at: str
    store: str
    seller: str
    product: str
    category: str
    quantity: int
    unit_price_cents: int
    total_cents: int
    payment: str


class RecordsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"after": "<the last page's next>", "limit": 1000, "wait": 30}`; without `after` from the first record on.

    Where there is nothing after the cursor yet, the answer waits for it up to `wait` seconds.
    """

    after: Annotated[str, msgspec.Meta(max_length=200)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 100
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT_S)] = 0.0


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The records after the cursor, in the order in which they came; `next` is the cursor of what will follow.

    `{"records": [{"id": "019a9e3c-...", ...}], "next": "AQ..."}`
    """

    records: list[Sale]
    next: str


class SummaryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"minutes": 60}`: the last so many minutes, the one that runs included."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=MAX_MINUTES)] = 60


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"sales": 2, "quantity": 3, "total_cents": 6570}`"""

    sales: int
    quantity: int
    total_cents: int


class MinuteFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A minute, by when the sales were made: `{"at": "2026-01-31T12:00:00.000Z", "sales": 2, ...}`"""

    at: str
    sales: int
    quantity: int
    total_cents: int


class ProductFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"product": "Café torrado 500 g", "category": "Mercearia", "sales": 2, ...}`"""

    product: str
    category: str
    sales: int
    quantity: int
    total_cents: int


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sums of a period: its minutes, all of them, add up to the totals; so do its products, the best first.

    Of more than 100 products the others are one row with an empty name. `latest` are the last 100 records of the
    feed, the newest last. A connection is answered as of what it has been told: `sales:record` events that come
    after the answer are not in it, those that came before are (the ids in `latest` tell for the few in between).
    """

    now: str
    minutes: int
    totals: Figures
    series: list[MinuteFigures]
    products: list[ProductFigures]
    latest: list[Sale]


class BrokenLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that is no record: where, why, and how it begins."""

    at: str
    line: int
    reason: str
    excerpt: str


class SourceReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the reading of the source stands. `broken_lines` are the last ones, the newest first.

    `{"path": "/data/sales.jsonl", "state": "reading", "line": 812, "offset": 301044, "records": 810,
    "duplicates": 1, "broken": 1, "broken_lines": [{"at": "...", "line": 7, "reason": "...", "excerpt": "{"}]}`
    """

    path: str
    state: str
    line: int
    offset: int
    records: int
    duplicates: int
    broken: int
    broken_lines: list[BrokenLine]


COFFEE: Final = Sale(
    id="019a9e3c-7d10-7c3e-9b1a-2f6d5e4c3b2a",
    sold_at="2026-01-31T12:00:00.000Z",
    store="Recife",
    seller="Ana Souza",
    product="Café torrado 500 g",
    category="Mercearia",
    quantity=2,
    unit_price_cents=2190,
    total_cents=4380,
    payment="pix",
)

RECORDS: Final = Endpoint(
    "sales:records",
    RecordsRequest,
    Records,
    Access.GUEST,
    "The records after a cursor, in the order in which they came; with `wait` once there are any.",
    reads=True,
    bearer=True,
    timeout_s=MAX_WAIT_S + 5.0,
    example=Example(RecordsRequest(limit=1), Records([COFFEE], "AX3Uq0wAAAAAAAAAAQ")),
)
SUMMARY: Final = Endpoint(
    "sales:summary",
    SummaryRequest,
    Summary,
    Access.GUEST,
    "Sums of the last minutes: in all, by minute, by product; and the latest records.",
    reads=True,
    bearer=True,
    example=Example(
        SummaryRequest(minutes=1),
        Summary(
            now="2026-01-31T12:00:30.000Z",
            minutes=1,
            totals=Figures(1, 2, 4380),
            series=[MinuteFigures("2026-01-31T12:00:00.000Z", 1, 2, 4380)],
            products=[ProductFigures(COFFEE.product, COFFEE.category, 1, 2, 4380)],
            latest=[COFFEE],
        ),
    ),
)
WATCH: Final = Endpoint(
    "sales:watch", Nothing, Nothing, Access.GUEST, "Follow the feed: each new record is told.",
    surface=Surface.SOCKET,
)  # fmt: skip
UNWATCH: Final = Endpoint(
    "sales:unwatch", Nothing, Nothing, Access.GUEST, "Stop following the feed.", surface=Surface.SOCKET
)
SOURCE: Final = Endpoint(
    "sales:source",
    Nothing,
    SourceReport,
    Access.ADMIN,
    "How the reading of the source stands, and its broken lines.",
    reads=True,
    example=Example(
        Nothing(),
        SourceReport(
            path="/data/sales.jsonl",
            state="reading",
            line=812,
            offset=301044,
            records=810,
            duplicates=1,
            broken=1,
            broken_lines=[BrokenLine("2026-01-31T12:00:00.000Z", 7, "This line is no JSON object.", "{")],
        ),
    ),
)

RECORD: Final = Event("sales:record", Sale, "A new record, to those who watch.", example=COFFEE)
GAP: Final = Event(
    "sales:gap",
    Nothing,
    "More records came than are told one by one: ask for the summary, or for the records after the last cursor.",
)
FEED: Final = Topic("sales.feed", (RECORD, GAP))

CONTRACT: Final = Contract(service="sales", endpoints=(RECORDS, SUMMARY, WATCH, UNWATCH, SOURCE), topics=(FEED,))
