from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TokensConfig(AppConfig):
    name = "tokens"
    verbose_name = _("Tokens")

    def ready(self) -> None:
        from tokens import holdings, notices, receivers  # noqa: F401  (models are ready only here)
