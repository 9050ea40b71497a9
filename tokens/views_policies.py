from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from profiles.access import managed_account
from profiles.events import Actor
from profiles.models import Account, Toolkit
from tokens.forms_policies import PolicyForm
from tokens.models import Policy, Rules
from tokens.models.touched import Touched


@dataclass(frozen=True, slots=True)
class Row:
    """A toolkit, the rules of its own, and what holds with those of the account."""

    toolkit: Toolkit
    policy: Policy | None
    rules: Rules


@require_safe
def policies(request: HttpRequest) -> HttpResponse:
    """Show the rules of the account and of each toolkit."""
    account = managed_account(request)
    toolkits = list(Toolkit.objects.in_use().filter(account=account).order_by("name"))
    found = {policy.toolkit_id: policy for policy in Policy.objects.filter(account=account)}
    rules = Policy.objects.rules_of(toolkits)
    rows = [Row(toolkit, found.get(toolkit.pk), rules[toolkit.pk]) for toolkit in toolkits]
    return render(request, "tokens/policies.html", {"rows": rows, "of_account": found.get(None)})


@require_http_methods(["GET", "HEAD", "POST"])
def policy_of_account(request: HttpRequest) -> HttpResponse:
    return _edit(request, managed_account(request), None)


@require_http_methods(["GET", "HEAD", "POST"])
def policy_of_toolkit(request: HttpRequest, pk: UUID) -> HttpResponse:
    account = managed_account(request)
    return _edit(request, account, get_object_or_404(Toolkit.objects.living().filter(account=account), pk=pk))


def _edit(request: HttpRequest, account: Account, toolkit: Toolkit | None) -> HttpResponse:
    """Show the form; to a first POST say how many living tokens it touches, to the second one save it."""
    now = timezone.now()
    policy = Policy.objects.of_one(account, toolkit)
    form = PolicyForm(request.POST) if request.method == "POST" else PolicyForm.showing(policy)
    touched = None
    if request.method == "POST" and form.is_valid():
        if request.POST.get("shown") == form.fingerprint:
            changed = Policy.objects.change(
                account, toolkit, form.cleaned_data, by=Actor.from_request(request), now=now
            )
            saved = gettext("The policy of %(name)s is saved.") % {"name": toolkit or account}
            messages.success(request, saved if changed else gettext("Nothing was changed."))
            return redirect("policies")
        touched = Touched.by(policy.with_rules(form.cleaned_data), now)
    context = {"form": form, "policy": policy, "toolkit": toolkit, "touched": touched}
    return render(request, "tokens/policy.html", context, status=422 if form.errors else 200)
