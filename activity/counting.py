"""The SQL that counts calls into rollups: the same on both stores, but for how they cut a time and find a bucket."""

from dataclasses import dataclass

from activity.models.latency import BOUNDS, UNTIMED
from activity.models.rollups import DIMENSIONS, TOTAL_DIMENSIONS

READ = (
    "account_id, owner_id, toolkit_id, toolkit_alias, token_kind, token_public_id, token_name, server, tool, outcome, "
    "method, hub_ms, upstream_ms, at"
)
FINISHED = "outcome <> 'open'"
ACCEPTED = "outcome <> 'refused'"
REFUSED = "outcome = 'refused'"


@dataclass(frozen=True)
class Dialect:
    minute: str
    hour: str
    bucket: str  # of the milliseconds in {}
    any_account: str

    def grouped(self, rows: str) -> str:
        """Return the SELECT that counts these rows (a table or a name of WITH) by everything that a rollup has."""
        return f"""
SELECT account_id, owner_id, toolkit_id, MAX(toolkit_alias) AS toolkit_alias, token_kind, token_public_id,
       MAX(token_name) AS token_name, server,
       CASE WHEN server = '' AND outcome IN ('refused', 'failed') THEN '' ELSE tool END AS tool, outcome,
       CASE WHEN method = 'subscriptions/listen' OR method LIKE 'GET %' THEN {UNTIMED}
            ELSE {self.bucket.format("hub_ms + upstream_ms")} END AS latency,
       {self.minute} AS minute, {self.hour} AS hour, COUNT(*) AS calls, MIN(at) AS first_at, MAX(at) AS last_at
FROM {rows} GROUP BY 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 13"""  # noqa: S608

    def upserts(self) -> list[str]:
        """Return the statements that add what is in the table `counted` to the rollups, in a fixed order of rows."""
        return [
            _rollup("activity_minuterollup", "minute"),
            _rollup("activity_hourrollup", "hour"),
            _total("activity_minutetotal", "minute"),
            _total("activity_hourtotal", "hour"),
            USE.format(any_account=self.any_account),
        ]


def _rollup(table: str, at: str) -> str:
    key = _key(DIMENSIONS, at)
    return f"""
INSERT INTO {table} AS kept ({", ".join(DIMENSIONS)}, owner_id, toolkit_alias, token_name, calls)
SELECT {key}, MAX(owner_id), MAX(toolkit_alias), MAX(token_name), SUM(calls)
FROM counted WHERE {FINISHED} GROUP BY {key} ORDER BY {key}
ON CONFLICT ({", ".join(DIMENSIONS)}) DO UPDATE SET calls = kept.calls + excluded.calls"""  # noqa: S608


def _total(table: str, at: str) -> str:
    key = _key(TOTAL_DIMENSIONS, at)
    return f"""
INSERT INTO {table} AS kept ({", ".join(TOTAL_DIMENSIONS)}, calls)
SELECT {key}, SUM(calls) FROM counted WHERE {FINISHED} GROUP BY {key} ORDER BY {key}
ON CONFLICT ({", ".join(TOTAL_DIMENSIONS)}) DO UPDATE SET calls = kept.calls + excluded.calls"""  # noqa: S608


def _key(dimensions: tuple[str, ...], at: str) -> str:
    return ", ".join(at if name == "at" else name for name in dimensions)


def _later(column: str) -> str:
    newer = f"kept.{column} IS NULL OR excluded.{column} > kept.{column}"
    return f"{column} = CASE WHEN {newer} THEN excluded.{column} ELSE kept.{column} END"


USE = f"""
INSERT INTO activity_tokenuse AS kept
       (token_public_id, account_id, owner_id, first_at, last_at, last_accepted_at, last_refused_at, accepted, refused)
SELECT token_public_id, {{any_account}}, MAX(owner_id), MIN(first_at), MAX(last_at),
       MAX(CASE WHEN {ACCEPTED} THEN last_at END), MAX(CASE WHEN {REFUSED} THEN last_at END),
       SUM(CASE WHEN {ACCEPTED} THEN calls ELSE 0 END), SUM(CASE WHEN {REFUSED} THEN calls ELSE 0 END)
FROM counted WHERE {FINISHED} GROUP BY token_public_id ORDER BY token_public_id
ON CONFLICT (token_public_id) DO UPDATE SET
       first_at = CASE WHEN excluded.first_at < kept.first_at THEN excluded.first_at ELSE kept.first_at END,
       {_later("last_at")}, {_later("last_accepted_at")}, {_later("last_refused_at")},
       accepted = kept.accepted + excluded.accepted, refused = kept.refused + excluded.refused"""  # noqa: S608

_bounds = ", ".join(map(repr, BOUNDS))
POSTGRES = Dialect(
    minute="date_trunc('minute', at, 'UTC')",
    hour="date_trunc('hour', at, 'UTC')",
    bucket=f"width_bucket({{}}, ARRAY[{_bounds}]::float8[])::smallint",
    any_account="(array_agg(account_id))[1]",
)
SQLITE = Dialect(
    minute="substr(at, 1, 16) || ':00'",
    hour="substr(at, 1, 13) || ':00:00'",
    bucket="latency_bucket({})",  # a function of ours: activity/recorder/sqlite.py
    any_account="account_id",
)
UPSERTS_POSTGRES, UPSERTS_SQLITE = POSTGRES.upserts(), SQLITE.upserts()
