import os
from datetime import timedelta
from typing import Any

import structlog
from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, task_postrun, task_prerun
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")
TRANSPORT_ALIASES["nexusfs"] = "nexus.broker:Transport"

app = Celery("nexus")
app.set_default()  # in every thread, not only in the one that imports this
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "sweep-tokens": {"task": "tokens.tasks.sweep_tokens", "schedule": timedelta(minutes=1)},
    "sweep-oauth": {"task": "tokens.tasks.sweep_oauth", "schedule": crontab(minute="17")},
    "send-reminders": {"task": "tokens.tasks.send_reminders", "schedule": timedelta(minutes=1)},
    "send-webhooks": {"task": "tokens.tasks.send_webhooks", "schedule": timedelta(seconds=10)},
    "forget-old-deliveries": {"task": "tokens.tasks.forget_old_deliveries", "schedule": crontab(minute="40")},
    "find-unexpected": {"task": "activity.tasks.find_unexpected", "schedule": timedelta(minutes=1)},
    "end-lost-calls": {"task": "activity.tasks.end_lost_calls", "schedule": timedelta(minutes=1)},
    "make-partitions": {"task": "activity.tasks.make_partitions", "schedule": crontab(hour="3", minute="10")},
    "forget-calls": {"task": "activity.tasks.forget_calls", "schedule": crontab(minute="25")},
}


@setup_logging.connect
def keep_our_logging(**kwargs: object) -> None:
    """Keep Celery from replacing the log format that nexus/logs.py has set."""


@task_prerun.connect
def name_the_task(task_id: str, task: Any, **kwargs: object) -> None:
    """Have every log line of a task say which it belongs to."""
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id)


@task_postrun.connect
def forget_the_task(**kwargs: object) -> None:
    structlog.contextvars.unbind_contextvars("task", "task_id")
