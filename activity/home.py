from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from activity.charts import duration
from activity.models import Call, HourRollup, HourTotal, RollupQuerySet, Slot
from activity.numbers import written
from profiles.access import current_account, signed_in
from profiles.models import Account, Toolkit, User
from profiles.permissions import Act, roles_with
from tokens.models import DelegatedToken

CALLS_SHOWN = 8
ENDING_SHOWN = 5
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the first-run checklist."""

    title: str
    text: str
    path: str
    label: str
    is_done: bool
    is_next: bool = False


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    user, account, now = signed_in(request), current_account(request), timezone.now()
    toolkits = list(Toolkit.objects.usable_by(user).filter(account=account).with_counts())
    by_people = DelegatedToken.objects.visible_to(user).filter(account=account).made_by_people()
    ending = list(by_people.ending_soon(now).select_related("toolkit", "owner")[: ENDING_SHOWN + 1])
    calls = Call.objects.of_account(account, user).page_before(None, CALLS_SHOWN)
    steps = checklist(user, account, toolkits, calls)
    done = sum(step.is_done for step in steps)
    context = {
        "toolkits": toolkits,
        "may_manage": account.own_role in roles_with(Act.MANAGE_TOOLKITS),
        "living": by_people.living(now).count(),
        "ending": ending[:ENDING_SHOWN],
        "ending_sub": words_of_endings(len(ending)),
        "calls": calls,
        "steps": steps if done < len(steps) else [],
        "steps_done": done,
        "now": now,
    }
    return render(request, "home.html", context | numbers(counted_calls(account, user), toolkits, now))


def counted_calls(account: Account, user: User) -> RollupQuerySet:
    """Return what the rollups say of the calls that the person may see; the totals where that is all of them."""
    if account.own_role in roles_with(Act.SEE_ACTIVITY):
        return HourTotal.objects.filter(account_id=account.pk)
    return HourRollup.objects.filter(account_id=account.pk, owner_id=user.pk)


def numbers(counted: RollupQuerySet, toolkits: list[Toolkit], now: datetime) -> dict[str, Any]:
    """Return the figures at the top of the page, and the words below each."""
    day = counted.between(now - DAY, now).together(now - DAY)
    working = sum(1 for toolkit in toolkits if works(toolkit))
    failing = len(toolkits) - working
    return {
        "day": day,
        "day_sub": share_of_failures(day),
        "day_typical": duration(day.percentile(0.5)),
        "day_slow": _("95 %% within %(time)s") % {"time": duration(day.percentile(0.95))}
        if day.calls
        else _("no calls"),
        "working": _("%(used)s of %(number)s") % {"used": working, "number": len(toolkits)},
        "working_sub": _words_of_failing(failing),
    }


def _words_of_failing(number: int) -> str:
    if not number:
        return _("all are ready")
    return ngettext("%(number)s needs a look", "%(number)s need a look", number) % {"number": number}


def words_of_endings(number: int) -> str:
    if not number:
        return _("none ends soon")
    if number > ENDING_SHOWN:
        return _("more than %(number)s end soon") % {"number": ENDING_SHOWN}
    return ngettext("%(number)s ends soon", "%(number)s end soon", number) % {"number": number}


def works(toolkit: Toolkit) -> bool:
    counts: Any = toolkit  # with_counts()
    return bool(counts.allowed_count) and not toolkit.paused_at and not counts.failing_count


def share_of_failures(day: Slot) -> str:
    if not day.calls:
        return _("none")
    share = written(f"{100 * day.errors / day.calls:.1f} %")
    return _("%(share)s went wrong") % {"share": share} if day.errors else _("none went wrong")


def has_green_call(account: Account, user: User, calls: list[Call]) -> bool:
    """Return whether a call of a tool ever went well: one of the newest, or else one that the rollups know.

    A list of tools is no call of one; more than that the portal's own test of a token never asks for.
    """
    if not calls or any(call.method == "tools/call" and call.outcome == Call.Outcome.OK for call in calls):
        return bool(calls)
    return HourRollup.objects.of_account(account, user).filter(outcome=Call.Outcome.OK).exclude(tool="").exists()


def checklist(user: User, account: Account, toolkits: list[Toolkit], calls: list[Call]) -> list[Step]:
    """Return what somebody new does first; it is no longer shown once all of it is done."""
    ready = [toolkit for toolkit in toolkits if toolkit.allowed_count]
    has_call = has_green_call(account, user, calls)
    has_token = bool(calls) or DelegatedToken.objects.visible_to(user).filter(account=account).exists()
    steps = [
        Step(_("Sign in"), _("You are in."), "", "", True),
        Step(
            _("Choose tools"),
            _("Give a toolkit a server, and choose which of its tools it allows."),
            f"/toolkits/{toolkits[0].pk}/" if toolkits else "/toolkits/new/",
            _("Choose tools"),
            bool(ready) or has_call,
        ),
        Step(
            _("Install the toolkit"),
            _("Make a token for the program that will use it. It is shown once."),
            ready[0].install_path if ready else "/install/",
            _("Install"),
            has_token,
        ),
        first_call(any(call.outcome != Call.Outcome.OK for call in calls), has_call),
    ]
    following = next((step for step in steps if not step.is_done), None)
    return [replace(step, is_next=step is following) for step in steps]


def first_call(has_failed: bool, is_done: bool) -> Step:
    if has_failed and not is_done:
        text = _("Calls have arrived, and none went well yet. Each says in Activity what was wrong, and what to do.")
        return Step(_("Make the first call"), text, "/activity/", _("See what was wrong"), False)
    text = _("Run the line that Install shows beside the token; the call appears here.")
    return Step(_("Make the first call"), text, "/guide/first-call/", _("See how"), is_done)
