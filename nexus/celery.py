import os

from celery import Celery
from celery.signals import setup_logging
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")
TRANSPORT_ALIASES["nexusfs"] = "nexus.broker:Transport"

app = Celery("nexus")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**kwargs: object) -> None:
    """Keep Celery from replacing the log format that nexus/logs.py has set."""
