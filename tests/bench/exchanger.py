"""Makes an application of the first account that may exchange tokens: `python -m tests.bench.exchanger` prints id and secret."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402

from profiles.models import User  # noqa: E402
from tests.tokens.oauth.exchanging import SECRET, make_exchanger  # noqa: E402

if __name__ == "__main__":
    owner = User.objects.get(email=settings.NEXUS_ADMIN_EMAIL)
    sys.stdout.write(make_exchanger(owner.personal_account, "bench").client_id + f" {SECRET}\n")
