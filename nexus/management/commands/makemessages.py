import tomllib
from pathlib import Path

from django.core.management.commands import makemessages

from tokens.clients import DATA
from tokens.clients.wording import CONTEXT, texts


class BuildFile(makemessages.BuildFile):
    """One file to collect from; of a client's, Python that marks its texts, as xgettext reads no TOML."""

    def preprocess(self) -> None:
        path = Path(self.path)
        if path.suffix == ".toml":
            said = texts(tomllib.loads(path.read_text())) if path.resolve().parent == DATA else []
            Path(self.work_path).write_text("".join(f"pgettext({CONTEXT!r}, {text!r})\n" for text in said))
        else:
            super().preprocess()


class Command(makemessages.Command):
    """Django's, in an order that merges well; what is untranslated stays empty, where msgmerge would guess."""

    build_file_class = BuildFile
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching", "--sort-output"]
