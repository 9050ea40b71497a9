from django.apps import AppConfig


class NexusConfig(AppConfig):
    name = "nexus"

    def ready(self) -> None:
        from nexus import celery, checks, logs  # noqa: F401, PLC0415  (checks register themselves, celery is the default app)

        logs.configure()
