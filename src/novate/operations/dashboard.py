"""The table of metrics as a Grafana dashboard, so that a metric and its panel can't part.

    novate dashboard > deploy/grafana/novate.json

Responsible for: one panel a line of `PANELS`, in rows of three. Never: names a metric that `metrics` has not, which a test holds.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

_WIDTH: Final = 8
_HEIGHT: Final = 7
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


class Panel(NamedTuple):
    """A panel: its title, Grafana's unit, and its queries with their legends; `venue` is the label of a scrape's target."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    big: bool = False
    """One number instead of a line over time."""


_V: Final = '{venue="$venue"}'
PANELS: Final = (
    Panel("Ready to trade", "bool_yes_no", ((f"novate_ready{_V}", ""),), big=True),
    Panel("For development", "bool_yes_no", ((f"novate_development{_V}", ""),), big=True),
    Panel("Processes that do not serve", "short", ((f"sum(1 - novate_process_up{_V})", ""),), big=True),
    Panel("Commands answered", "ops", ((f"rate(novate_commands_total{_V}[1m])", "commands/s"),)),
    Panel("Core: time to its first word", "s", ((f"novate_core_answer_seconds{_V}", "seconds"),)),
    Panel("Journal time behind the clock", "s", ((f"time() - novate_core_time_seconds{_V}", "seconds"),)),
    Panel(
        "Lag of the followers", "short",
        ((f"novate_reader_lag_commands{_V}", "reader"), (f"novate_projector_lag_commands{_V}", "read models")),
    ),
    Panel(
        "Where the followers stand", "short",
        ((f"novate_reader_sequence{_V}", "reader"), (f"novate_projector_sequence{_V}", "read models")),
    ),
    Panel(
        "Standby", "short",
        (
            (f"novate_standby_in_step{_V}", "in step"), (f"novate_standby_lag_commands{_V}", "commands behind"),
            (f"novate_standby_refusing{_V}", "commands refused"),
        ),
    ),
    Panel("Recovery of the core", "percentunit", ((f"novate_recovery_fraction{_V}", "of its phase"),)),
    Panel("Connections of gateways", "short", ((f"novate_gateway_connections{_V}", "{{port}}"),)),
    Panel("Starts within the hour", "short", ((f"increase(novate_process_starts_total{_V}[1h])", "{{process}}"),)),
    Panel("Age of processes", "s", ((f"novate_process_age_seconds{_V}", "{{process}}"),)),
    Panel("Keepers: since they last spoke", "s", ((f"novate_keeper_age_seconds{_V}", "{{keeper}}"),)),
    Panel("Keepers: line to the core", "bool_yes_no", ((f"novate_keeper_connected{_V}", "{{keeper}}"),)),
    Panel("Keepers: commands", "ops", ((f"rate(novate_keeper_commands_total{_V}[1m])", "{{keeper}}"),)),
    Panel("Keepers: refused", "ops", ((f"rate(novate_keeper_refused_total{_V}[5m])", "{{keeper}} {{rule}}"),)),
    Panel("Feeds: state", "short", (('novate_feed_state{venue="$venue"} == 1', "{{feed}} {{state}}"),)),
    Panel("Feeds: age of prices", "s", ((f"novate_feed_age_seconds{_V}", "{{feed}} {{symbol}}"),)),
    Panel("Feeds: alarms", "short", ((f"novate_feed_alarms{_V}", "{{feed}}"),)),
    Panel("Clearing: lines to brokers", "bool_yes_no", ((f"novate_clearing_line_up{_V}", "{{broker}}"),)),
    Panel("Clearing: orders", "short", ((f"novate_clearing_orders{_V}", "{{state}}"),)),
    Panel("Clearing: reports that wait", "short", ((f"novate_clearing_words{_V}", "{{state}}"),)),
    Panel("Journal", "bytes", ((f"novate_journal_bytes{_V}", "bytes"),)),
    Panel("Disk free", "bytes", ((f"novate_disk_free_bytes{_V}", "bytes"),)),
    Panel("Age of the newest snapshot", "s", ((f"novate_snapshot_age_seconds{_V}", "seconds"),)),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "title": "novate venue",
        "uid": "novate-venue",
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"},
                {
                    "name": "venue",
                    "type": "query",
                    "label": "Venue",
                    "datasource": _SOURCE,
                    "query": "label_values(novate_ready, venue)",
                    "refresh": 2,
                },
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number + 1,
        "title": panel.title,
        "type": "stat" if panel.big else "timeseries",
        "datasource": _SOURCE,
        "gridPos": {
            "x": _WIDTH * (number % 3),
            "y": _HEIGHT * (number // 3),
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": query, "legendFormat": legend or "__auto"}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }
