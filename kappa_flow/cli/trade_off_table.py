"""trade_off_table: what fewer symmetry functions cost in accuracy and save in time."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from kappa_flow.documents import Dataset
    from kappa_flow.documents.sections import SurrogateSettings
    from kappa_flow.surrogate.fitting.selection import TradeOff

FIGURE = "trade-off.png"


def measured(parts: dict[str, Dataset], settings: SurrogateSettings) -> TradeOff:
    """Return the curve of linear models on the training part, judged by what was held out of it.

    Raises
    ------
    InputError
        When nothing was.
    """
    from kappa_flow.errors import InputError
    from kappa_flow.surrogate.fitting.selection import trade_off

    held = parts.get("held out", parts.get("stopping"))
    if held is None:
        raise InputError("--trade-off", "no structure is held out to judge by", "Give --validation FILE")
    return trade_off(parts["training"], held, settings)


def trade_off_table(found: TradeOff) -> Table:
    """Return a row per choice of functions: single ones by CUR, then whole channels and degrees."""
    from kappa_flow.cli.console import table

    rows = [
        ("single, by CUR", "–", "–", str(one.n_functions), f"{1e3 * one.force_rmse:.3g}", "–")
        for one in found.by_function
    ]
    best = found.cheapest()
    rows += [
        (
            "channels" + (" *" if one == best else ""),
            str(one.radial),
            str(one.l_max),
            str(one.n_functions),
            f"{1e3 * one.force_rmse:.3g}",
            f"{1e3 * (one.seconds or 0.0):.3g}",
        )
        for one in found.by_channel
    ]
    names = ("functions", "radial", "l_max", "kept", "error (meV/Å)", "ms/atom")
    made = table(names, rows)
    made.caption = "held-out force RMSE of linear models; * fastest within 20 % of the best"
    made.caption_justify = "left"
    return made


def plain(found: TradeOff) -> dict[str, Any]:
    """Return the curve as JSON-safe data; errors in eV/Å, times in s per atom."""
    return {
        "by_function": [asdict(one) for one in found.by_function],
        "by_channel": [asdict(one) for one in found.by_channel],
        "cheapest": asdict(found.cheapest()),
    }
