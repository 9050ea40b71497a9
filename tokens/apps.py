from django.apps import AppConfig


class TokensConfig(AppConfig):
    name = "tokens"

    def ready(self) -> None:
        from tokens import holdings, notices, receivers  # noqa: F401  (models are ready only here)
