"""What the reading of the source counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

LINES: Final = Counter("pulso_sales_lines", "Lines of the source, by what became of them.", ("outcome",))
UNTOLD: Final = Gauge("pulso_sales_untold", "Stored records that watchers have still to be told.")
PASSED_OVER: Final = Counter("pulso_sales_passed_over", "Records that watchers were not told one by one.")
WAITING: Final = Gauge("pulso_sales_waiting", "Requests that wait for the next record.")
