"""Connecting oneself to a server: by typing a secret, or by signing in there and coming back."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from profiles import connecting
from profiles.access import current_account, signed_in
from profiles.events import Actor
from profiles.forms_authorizations import SecretForm
from profiles.listing import listed_with
from profiles.models import Account, Attempts, Authorization, Grant, Server
from profiles.permissions import Act
from profiles.upstream import oauth
from profiles.upstream.discovery import sentence
from profiles.upstream.errors import SignInFailed, UpstreamError

SIGN_INS = 30  # that a person may begin within ten minutes; each asks addresses that strangers name


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("secret")
@sensitive_variables("form")
def authorization_connect(request: HttpRequest, pk: Any) -> HttpResponse:
    """Connect the person to the server; where they sign in there, show them first where they will be sent."""
    server, account = _place(request, pk)
    form = SecretForm(request.POST or None, server=server)
    context: dict[str, Any] = {"server": server, "account": account, "form": form, "toolkit_account": account}
    context["may_connect"] = Authorization.objects.may_connect(signed_in(request), account)
    if request.method != "POST" or not server.wants_sign_in or not context["may_connect"]:
        status = 403 if request.method == "POST" or not context["may_connect"] else 200
        return render(request, "profiles/authorization_connect.html", context, status=status)
    if server.authentication == Server.Authentication.OAUTH:
        return _begin(request, server, account, context)
    if not form.is_valid():
        return render(request, "profiles/authorization_connect.html", context, status=422)
    found = Authorization.objects.connect(
        server, account, signed_in(request), Grant(form.cleaned_data["secret"]),
        by=Actor.from_request(request), now=timezone.now(),
    )  # fmt: skip
    return _try_out(request, found)


def _place(request: HttpRequest, pk: Any) -> tuple[Server, Account]:
    """Return the server, and the account for which it is connected: the address's, the server's, or the one shown."""
    mine = Account.objects.of(signed_in(request))
    server = get_object_or_404(Server.objects.living(), pk=pk)
    wanted = request.GET.get("account", "")
    if server.account_id:
        account = mine.filter(pk=server.account_id).first()
    else:
        account = next((one for one in mine if str(one.pk) == wanted), None) or current_account(request)
    if account is None:
        raise Http404
    return server, account


@sensitive_variables("address")
def _begin(request: HttpRequest, server: Server, account: Account, context: dict[str, Any]) -> HttpResponse:
    """Show the link to the sign-in page. A form may not lead to another site here, so it is a link."""
    user, now = signed_in(request), timezone.now()
    try:
        if not Attempts.objects.take(f"sign-in:{user.pk}", SIGN_INS, now=now):
            raise UpstreamError(_("You have begun many sign-ins in a short time. Wait 10 minutes, then try again."))
        address = connecting.begin(request.session, server, account, user, now=now)
    except UpstreamError as error:
        context["failure"] = sentence(server, error)
        return render(request, "profiles/authorization_connect.html", context, status=422)
    context |= {"address": address, "host": address.split("/")[2]}
    return render(request, "profiles/authorization_go.html", context)


@require_http_methods(["GET"])
@sensitive_variables("sign_in")
def callback(request: HttpRequest) -> HttpResponse:
    """Take the person back from the authorization server, in the browser session that began this sign-in, once."""
    user, now = signed_in(request), timezone.now()
    sign_in = connecting.begun(request.session, request.GET.get("state", ""), user, now=now)
    if sign_in is None:
        messages.error(
            request, _("This sign-in was not begun in this browser, took too long, or is over already. Connect again.")
        )
        return redirect("authorizations")
    server = get_object_or_404(Server.objects.living(), pk=sign_in.server_id)
    account = get_object_or_404(Account.objects.of(user), pk=sign_in.account_id)
    if not Authorization.objects.may_connect(user, account):
        raise Http404
    try:
        connecting.refuse_other_issuer(sign_in, request.GET.get("iss"))
        code = _code_in(request)
        by = Actor.from_request(request)
        found = connecting.finish(sign_in, code, server, account, user, by=by, now=now)
    except UpstreamError as error:
        messages.error(request, _("Nothing was connected. %(problem)s") % {"problem": sentence(server, error)})
        return redirect(f"{reverse('authorization_connect', args=[server.pk])}?account={account.pk}")
    return _try_out(request, found)


def _code_in(request: HttpRequest) -> str:
    if error := request.GET.get("error"):
        said = ": ".join(part for part in (error, request.GET.get("error_description", "")) if part)
        raise SignInFailed(f"the sign-in was refused there ({oauth.plain(said, 200)})")
    code = request.GET.get("code", "")
    if not code:
        raise SignInFailed("the answer of its authorization server has no code")
    return code


def _try_out(request: HttpRequest, found: Authorization) -> HttpResponse:
    """Use the new authorization once, so that a wrong secret shows now and not in somebody's call."""
    server, now = found.server, timezone.now()
    try:
        tools = listed_with(found, server, now=now)
    except UpstreamError as error:
        messages.warning(
            request, _("It is stored, but trying it failed. %(problem)s") % {"problem": sentence(server, error)}
        )
        return redirect("authorization", found.pk)
    is_manager = found.account.lets(signed_in(request), Act.MANAGE_TOOLKITS)
    if is_manager and (server.failed_at or not server.tools.exists()):
        server.remember_tools(tools, now=now)
    said = ngettext(
        "“%(server)s” is connected, and shows %(number)s tool. It is used from the next call on.",
        "“%(server)s” is connected, and shows %(number)s tools. It is used from the next call on.",
        len(tools),
    )
    messages.success(request, said % {"server": server, "number": len(tools)})
    return redirect("authorization", found.pk)


@require_safe
@login_not_required
def client_document(request: HttpRequest) -> HttpResponse:
    """Nexus's client id metadata document, which authorization servers fetch."""
    response = JsonResponse(oauth.client_document())
    response["Cache-Control"] = "public, max-age=3600"
    return response
