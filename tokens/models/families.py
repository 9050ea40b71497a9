"""The generations of one token, locked together: whoever changes more than one of them begins here."""

from typing import TYPE_CHECKING
from uuid import UUID

from tokens.models.exchanging import ExchangedQuerySet

if TYPE_CHECKING:
    from tokens.models.delegated import DelegatedToken


class FamilyQuerySet(ExchangedQuerySet):
    def lock_families(self, *families: UUID) -> "list[DelegatedToken]":
        """Return the generations that have not ended, of which nobody changes or adds one in this transaction.

        All lock in the order of ids, so that two acts never wait for each other in a circle. Looked again until
        nothing is new: a successor that was made while we waited is found by the next look only.
        """
        of_families = self.model.objects.filter(family__in=families).exclude(stage=self.model.Stage.ENDED)
        rows = of_families.select_related("account").select_for_update(of=("self",)).order_by("pk")
        found, known = list(rows), set[int]()
        while not known.issuperset(token.pk for token in found):
            known.update(token.pk for token in found)
            found = list(rows.all())
        return found
