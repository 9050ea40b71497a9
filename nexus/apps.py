from django.apps import AppConfig
from django.contrib.admin import apps as admin


class NexusConfig(AppConfig):
    name = "nexus"
    default = True

    def ready(self) -> None:
        from nexus import celery, checks, logs  # noqa: F401  (checks register themselves, celery is the default app)

        logs.configure()


class NexusAdminConfig(admin.AdminConfig):
    default_site = "nexus.admin_site.NexusAdminSite"
    default = False
