"""The authorization endpoint (RFC 6749 section 3.1): checks, then the page on which a person agrees."""

import uuid
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from profiles import confirmation
from profiles.access import signed_in
from profiles.events import Actor
from profiles.models import Toolkit
from tokens.models import Connection, Policy
from tokens.oauth import answering, consent
from tokens.oauth.authorization import Asker, NoRedirect, Refusal, Wish, asker_of, wish_of
from tokens.oauth.endpoint import View


def never_kept(view: View) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        response = view(request)
        response["Cache-Control"] = "no-store"
        response["Pragma"] = "no-cache"
        return response

    return wrapped


@login_not_required
@require_http_methods(["GET", "POST"])
@never_kept
def authorize(request: HttpRequest) -> HttpResponse:
    """Ask the person whether the application may use a toolkit for them; all that it wants is in the address."""
    is_signed_in = request.user.is_authenticated
    try:
        asker = asker_of(request.GET, may_fetch=is_signed_in)
    except NoRedirect as error:
        return _no_redirect(request, str(error), status=400)
    if not is_signed_in and (asker is None or request.GET.get("prompt") != "none"):
        return _to_sign_in(request)
    assert asker is not None
    try:
        return _answer(request, asker) if is_signed_in else _nobody()
    except Refusal as refusal:
        return answering.with_refusal(request, asker, refusal)


def _no_redirect(request: HttpRequest, detail: str, status: int) -> HttpResponse:
    return render(request, "tokens/consent_refused.html", {"detail": detail}, status=status)


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    way = urlencode({"next": request.get_full_path()})
    return HttpResponseRedirect(f"{reverse(settings.LOGIN_URL)}?{way}", status=303)


def _nobody() -> HttpResponse:
    raise Refusal("login_required", "Nobody is signed in to Nexus in this browser.")


def _answer(request: HttpRequest, asker: Asker) -> HttpResponse:
    """Answer a person; raise Refusal."""
    user = signed_in(request)
    if user.is_machine:
        return _no_redirect(
            request, gettext("A machine user stands for a program. Only a person can agree to this."), status=403
        )
    wish = wish_of(request.GET, asker)
    if request.POST.get("decision") == "cancel":
        return answering.with_cancellation(request, asker)
    toolkits = consent.toolkits_for(user, wish.target)
    page = ConsentPage(request, asker, wish, toolkits, consent.agreed_before(asker.application, user, wish))
    if request.method == "POST":
        return page.sent()
    return page.skipped() or page.asked()


class ConsentPage:
    """The page of one request, for one person."""

    def __init__(
        self,
        request: HttpRequest,
        asker: Asker,
        wish: Wish,
        toolkits: list[Toolkit],
        agreed: dict[uuid.UUID, Connection],
    ) -> None:
        self.request, self.asker, self.wish = request, asker, wish
        self.toolkits, self.agreed = toolkits, agreed
        self.now = timezone.now()
        self.kept = f"consent:{asker.application.pk}"

    @property
    def is_fixed(self) -> bool:
        return bool(self.wish.target.profile) and len(self.toolkits) == 1

    @property
    def is_silent(self) -> bool:
        return "none" in self.wish.prompt

    def skipped(self) -> HttpResponse | None:
        """Answer without the page where the person agreed to just this, and no program can ask in another's name."""
        connection = self.agreed.get(self.toolkits[0].pk) if self.is_fixed else None
        wants_page = self.wish.prompt & {"consent", "select_account"}
        if connection is None or wants_page or self.asker.can_be_impersonated:
            return None
        if confirmation.is_confirmed(self.request):
            return self._allow(self.toolkits[0], connection.lasts)
        if self.is_silent:
            raise Refusal("login_required", "The person has to confirm on a page of Nexus who they are.")
        return self._confirm()

    def asked(self) -> HttpResponse:
        if self.is_silent:
            raise Refusal("consent_required", "The person has to agree to this on a page of Nexus.")
        if "login" in self.wish.prompt and not confirmation.is_confirmed(self.request):
            return self._confirm()
        return self._page(confirmation.take_form(self.request, self.kept))

    def sent(self) -> HttpResponse:
        form = consent.ConsentForm(self.request.POST, toolkits=self.toolkits)
        if not form.is_valid() or self.request.POST.get("decision") != "allow":
            return self._page(self.request.POST, status=422)
        if not confirmation.is_confirmed(self.request):
            confirmation.keep_form(self.request, self.kept, self.request.POST)
            return self._confirm()
        return self._allow(form.chosen, form.lasts)

    def _confirm(self) -> HttpResponse:
        return confirmation.ask(self.request, next_url=self.request.get_full_path())

    def _allow(self, toolkit: Toolkit, lasts: timedelta) -> HttpResponse:
        lasts = min(lasts, Policy.objects.rules_for(toolkit).max_life)  # as the page says of this toolkit
        with transaction.atomic():
            connection = Connection.objects.connect(
                self.asker.application, signed_in(self.request), toolkit, scope=self.wish.scope,
                by=Actor.from_request(self.request), now=self.now, lasts=lasts,
            )  # fmt: skip
            return answering.with_code(self.request, self.asker, self.wish, connection, ends_at=self.now + lasts)

    def _page(self, data: Any = None, status: int = 200) -> HttpResponse:
        """Show what is asked; data is what the person chose before."""
        if not self.toolkits:
            return self._render("tokens/consent_nothing.html", {"target": self.wish.target}, status=404)
        offers = consent.offers(signed_in(self.request), self.toolkits, self.agreed, now=self.now)
        form = consent.ConsentForm(data, toolkits=self.toolkits, initial=consent.initial(offers))
        context = {
            "form": form,
            "offers": offers,
            "chosen": str(form["toolkit"].value() or ""),
            "is_fixed": self.is_fixed,
            "is_back": data is not None and status == 200,
        }
        return self._render("tokens/consent.html", context, status)

    def _render(self, template: str, context: dict[str, Any], status: int) -> HttpResponse:
        response = render(self.request, template, {"asker": self.asker, **context}, status=status)
        # The answer to its form leads to the client, and browsers ask this directive there too.
        response._csp_update = {"form-action": [self.asker.destination.source]}  # type: ignore[attr-defined]
        return response
