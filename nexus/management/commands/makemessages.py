from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Django's, in an order that merges well; what is untranslated stays empty, where msgmerge would guess."""

    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching", "--sort-output"]
