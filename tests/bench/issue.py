"""Issues tokens for a toolkit: `python -m tests.bench.issue ALIAS COUNT` prints them."""

import os
import sys
from datetime import timedelta

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from profiles.models import Toolkit, User  # noqa: E402
from tests.cast import make_token  # noqa: E402


def main(alias: str, count: int) -> None:
    owner = User.objects.get(email=settings.NEXUS_ADMIN_EMAIL)
    toolkit = Toolkit.objects.get(account=owner.personal_account, alias=alias)
    now = timezone.now()
    issued = [make_token(owner, toolkit, f"quiet {number}", timedelta(days=1), now) for number in range(count)]
    sys.stdout.write(" ".join(each.key.text for each in issued) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
