"""JSON as strictly as it is meant: no member twice, no NaN, no depth without end."""

import json
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJSON(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the value of the body; raise ParseError, which says what is wrong and quotes nothing."""
        try:
            return json.loads(
                stream.read().decode("utf-8"), object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
            )
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except RecursionError as error:
            raise ParseError("The body is nested too deeply.") from error
        except ValueError as error:
            raise ParseError("The body is not JSON (RFC 8259).") from error


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ParseError("A member of the body is there twice. Say each once.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{name} is no number in JSON (RFC 8259).")
