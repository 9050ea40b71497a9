from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from activity.models import Call
from profiles.access import current_account, signed_in
from profiles.models import Account, Toolkit, User
from profiles.permissions import Act
from tokens.models import DelegatedToken

CALLS_SHOWN = 8
ENDING_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the first-run checklist."""

    title: str
    text: str
    path: str
    label: str
    is_done: bool


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    user, account, now = signed_in(request), current_account(request), timezone.now()
    toolkits = list(Toolkit.objects.usable_by(user).filter(account=account).with_counts())
    by_people = DelegatedToken.objects.visible_to(user).filter(account=account).made_by_people()
    calls = Call.objects.of_account(account, user).page_before(None, CALLS_SHOWN)
    steps = checklist(user, account, toolkits, has_call=bool(calls))
    context = {
        "toolkits": toolkits,
        "may_manage": account.lets(user, Act.MANAGE_TOOLKITS),
        "living": by_people.living(now).count(),
        "ending": by_people.ending_soon(now).select_related("toolkit", "owner")[:ENDING_SHOWN],
        "calls": calls,
        "steps": [] if all(step.is_done for step in steps) else steps,
        "now": now,
    }
    return render(request, "home.html", context)


def checklist(user: User, account: Account, toolkits: list[Toolkit], *, has_call: bool) -> list[Step]:
    """Return what somebody new does first; it is no longer shown once all of it is done."""
    ready = [toolkit for toolkit in toolkits if toolkit.allowed_count]
    has_token = has_call or DelegatedToken.objects.visible_to(user).filter(account=account).exists()
    first = toolkits[0] if toolkits else None
    return [
        Step("Sign in", "You are in.", "", "", True),
        Step(
            "Choose tools",
            "Give a toolkit a server, and choose which of its tools it allows.",
            f"/toolkits/{first.pk}/" if first else "/toolkits/new/",
            "Choose tools",
            bool(ready),
        ),
        Step(
            "Install the toolkit",
            "Make a token for the program that will use it. It is shown once.",
            ready[0].install_path if ready else "/install/",
            "Install",
            has_token,
        ),
        Step(
            "Make the first call",
            "Run the line that Install shows beside the token; the call appears here.",
            "/guide/first-call/",
            "See how",
            has_call,
        ),
    ]
