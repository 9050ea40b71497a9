from activity.models.calls import Call, CallQuerySet, Page, containing, of_token
from activity.models.drops import Drop
from activity.models.findings import Finding, Habit, Rule, Watch
from activity.models.rollups import (
    HourRollup,
    HourTotal,
    MinuteRollup,
    MinuteTotal,
    Rollup,
    RollupQuerySet,
    Slot,
    Uncounted,
    rollups_for,
    totals_for,
)
from activity.models.under_way import UnderWay
from activity.models.uses import TokenUse
from profiles.ids import uuid7

__all__ = [
    "Call", "CallQuerySet", "Drop", "Finding", "Habit", "HourRollup", "HourTotal", "MinuteRollup", "MinuteTotal",
    "Page", "Rollup", "RollupQuerySet", "Rule", "Slot", "TokenUse", "Uncounted", "UnderWay", "Watch", "containing",
    "of_token", "rollups_for", "totals_for", "uuid7",
]  # fmt: skip
