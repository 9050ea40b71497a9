from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from profiles import confirmation
from profiles.access import signed_in
from profiles.events import Actor
from tokens import expiry
from tokens.forms_replace import ReplaceForm
from tokens.models import AlreadyIssued, DelegatedToken
from tokens.pages import unkept
from tokens.views import Shown
from tokens.views_install import issued_page, last_choice


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("issued")
def replace(request: HttpRequest, public_id: str) -> HttpResponse:
    """Show how the token would be replaced; to its owner's POST answer with the page that shows the new secret."""
    token, now = _own(request, public_id), timezone.now()
    kept = confirmation.take_form(request, _kept(token)) if request.method != "POST" else None
    form = ReplaceForm(request.POST if request.method == "POST" else kept, token=token, now=now)
    if request.method != "POST" or not form.is_valid():
        return _form_page(request, form, status=422 if request.method == "POST" else 200)
    if not confirmation.is_confirmed(request):
        confirmation.keep_form(request, _kept(token), request.POST)
        return confirmation.ask(request, next_url=reverse("token_replace", args=[public_id]))
    try:
        issued = form.replace(by=Actor.from_request(request))
    except AlreadyIssued as repeated:
        return unkept(request, "tokens/already_issued.html", {"token": repeated.token}, status=409)
    if issued is None:
        return _form_page(request, form, status=422)
    moment = expiry.describe(issued.token.expires_at, signed_in(request).zone, timezone.now())
    return issued_page(request, issued, last_choice(request, issued.token.toolkit), moment, replaced=token)


def _own(request: HttpRequest, public_id: str) -> DelegatedToken:
    """Return the person's own token: nobody is shown a secret that acts for somebody else."""
    own = DelegatedToken.objects.filter(owner=signed_in(request), exchanges=0)
    return get_object_or_404(own.select_related("owner", "toolkit", "account"), public_id=public_id)


def _kept(token: DelegatedToken) -> str:
    return f"replace {token.public_id}"


def _form_page(request: HttpRequest, form: ReplaceForm, status: int) -> HttpResponse:
    token, now = form.token, timezone.now()
    context = {
        "form": form,
        "token": token,
        "shown": Shown.at(token, now),
        "ends": expiry.describe(token.ends_at, signed_in(request).zone, now),
        "pending": DelegatedToken.objects.filter(family=token.family, stage=DelegatedToken.Stage.PENDING).first(),
        "is_back": form.is_bound and request.method != "POST",
    }
    return unkept(request, "tokens/replace.html", context, status=status)
