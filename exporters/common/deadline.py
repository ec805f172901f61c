"""How long one scrape may take: turns the scraper's header into seconds, less a margin for the way back."""

from __future__ import annotations

HEADER = b"x-prometheus-scrape-timeout-seconds"
DEFAULT_S = 20.0
MARGIN_S = 0.5
LONGEST_S = 300.0


def scrape_budget_s(header: str | bytes | None, *, default_s: float = DEFAULT_S) -> float:
    """Seconds that a scrape may use.

    Args:
        header: value of `X-Prometheus-Scrape-Timeout-Seconds` as the scraper sent it; None when it sent none.
        default_s: used (without margin) where there is no usable header.

    Returns:
        The scraper's own timeout less `MARGIN_S` (or less a quarter, where the timeout is below 2 s), so that the
        answer still reaches it; never above `LONGEST_S`.
    """
    try:
        timeout_s = float(header) if header is not None else 0.0
    except ValueError:
        timeout_s = 0.0
    if not 0.0 < timeout_s < float("inf"):
        return default_s
    return min(timeout_s - min(MARGIN_S, timeout_s / 4), LONGEST_S)
