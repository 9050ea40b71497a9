"""The checker: takes what a program said, or a request id, and shows what the guide says of it. It keeps nothing."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_not_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from activity.models import Call
from nexus.guide import chapters, checking
from nexus.guide.markdown import Section
from nexus.guide.views import show
from profiles.access import current_account
from profiles.models import User
from tokens.models import DelegatedToken

TROUBLE = "troubleshooting"
BY_OUTCOME = {Call.Outcome.TOOL_ERROR: "tool-failed", Call.Outcome.UPSTREAM_ERROR: "server-away",
              Call.Outcome.UNKNOWN: "hub-ended"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a text: the call that it names, and what the guide says of the error."""

    sections: list[Section]
    call: Call | None = None
    request_id: str = ""  # that was looked for


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters()
@sensitive_variables("text", "secrets")
def check(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return show(request, "guide/check.html", "check")
    text = request.POST.get("text", "")[: checking.LONGEST].strip()
    if not text:
        return show(request, "guide/check.html", "check", status=422, is_empty=True)
    if secrets := checking.secrets_in(text):
        mine = _visible_tokens(request, secrets.public_ids)
        return show(request, "guide/check.html", "check", status=422, text=secrets.rest, has_secret=True, tokens=mine)
    return show(request, "guide/check.html", "check", text=text, verdict=verdict_on(request, text))


def verdict_on(request: HttpRequest, text: str) -> Verdict:
    ids = checking.request_ids_in(text)
    call = _call(request, ids)
    if call is None:
        return Verdict(_sections(checking.sections_for(text)), request_id=ids[0] if ids else "")
    if call.outcome in (Call.Outcome.OK, Call.Outcome.OPEN):
        return Verdict([], call)
    anchors = checking.sections_for(call.reason)
    return Verdict(_sections(anchors or [BY_OUTCOME.get(Call.Outcome(call.outcome), "unreadable")]), call)


def _sections(anchors: list[str]) -> list[Section]:
    chapter = chapters.chapter(TROUBLE)
    return [section for anchor in anchors if (section := chapter.section(anchor))]


def _call(request: HttpRequest, ids: list[str]) -> Call | None:
    """Return the call of the first id that the person may see one of; to others it is not there."""
    user = request.user
    if not isinstance(user, User):
        return None
    return next((call for text in ids if (call := _call_with(request, user, text))), None)


def _call_with(request: HttpRequest, user: User, text: str) -> Call | None:
    # A call is named after its request, except where a proxy had named that already.
    pk = checking.as_uuid(text)
    named = Call.objects.visible_to(user).filter(pk=pk).first() if pk else None
    if named:
        return named
    of_account = Call.objects.of_account(current_account(request), user)
    return next(iter(of_account.search_page(Q(request_id=text), None, 1).calls), None)


def _visible_tokens(request: HttpRequest, public_ids: list[str]) -> list[DelegatedToken]:
    """Return those of the tokens that the person could revoke now."""
    if not isinstance(request.user, User):
        return []
    tokens = DelegatedToken.objects.visible_to(request.user).living(timezone.now())
    return list(tokens.filter(public_id__in=public_ids)[:3])
