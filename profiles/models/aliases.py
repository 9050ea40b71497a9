from django.db import models

from profiles.models.accounts import Account


class FormerAlias(models.Model):
    """An alias that a toolkit had; clients that still use it are led to the toolkit."""

    toolkit = models.ForeignKey("profiles.Toolkit", on_delete=models.CASCADE, related_name="former_aliases")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    alias = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "alias"], name="former_alias_once_per_account")]

    def __str__(self) -> str:
        return self.alias
