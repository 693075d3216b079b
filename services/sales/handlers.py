"""What is done about each call."""

from __future__ import annotations

from pulso.contract import Caller, Nothing
from pulso.routes import Routes
from services.sales import contract
from services.sales.contract import Records, RecordsRequest, SourceReport, Summary, SummaryRequest
from services.sales.sales import Sales

routes = Routes[Sales]()


@routes.handler(contract.RECORDS)
async def records(sales: Sales, caller: Caller, request: RecordsRequest) -> Records:
    """`{"after": "AQ...", "limit": 2}` -> `{"records": [{...}, {...}], "next": "AQ..."}`"""
    return await sales.records(caller, request)


@routes.handler(contract.SUMMARY)
async def summary(sales: Sales, caller: Caller, request: SummaryRequest) -> Summary:
    """`{"minutes": 15}` -> `{"totals": {...}, "series": [15 minutes], "products": [...], ...}`"""
    return sales.live.summary(request.minutes, as_told=bool(caller.connection))


@routes.handler(contract.WATCH)
async def watch(sales: Sales, caller: Caller, _request: Nothing) -> Nothing:
    """`{}` -> `{}`: from now on each record that comes is told."""
    await sales.push.join(caller, contract.FEED.name)
    return Nothing()


@routes.handler(contract.UNWATCH)
async def unwatch(sales: Sales, caller: Caller, _request: Nothing) -> Nothing:
    await sales.push.leave(caller, contract.FEED.name)
    return Nothing()


@routes.handler(contract.SOURCE)
async def source(sales: Sales, _caller: Caller, _request: Nothing) -> SourceReport:
    """`{}` -> `{"state": "reading", "line": 812, "broken": 1, "broken_lines": [{"line": 7, ...}], ...}`"""
    return await sales.source_report()
