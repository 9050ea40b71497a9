"""The parts of the chart that come once per bar, as HTML: a template takes ten times as long for them."""

from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from activity.charts import HEIGHT, Bar, Chart, Part, duration
from activity.numbers import grouped

PATTERNS = {"refused": "dots", "errors": "stripes"}


def bars(chart: Chart, base: str) -> SafeString:
    """Return the bars of the SVG, each a link to its own time; `base` is the address without a time."""
    groups = (_bar(chart, base, bar, left, ink, parts) for bar, left, ink, parts in chart.drawn())
    return mark_safe("\n".join(groups))  # noqa: S308 (made of numbers, our words, and the escaped address)


def _bar(chart: Chart, base: str, bar: Bar, left: float, ink: float, parts: list[Part]) -> str:
    hover = f'<rect class="hover" x="{left}" y="0" width="{chart.width:.2f}" height="{HEIGHT:.0f}"/>'
    drawn = "".join(_part(part, ink, chart.ink) for part in parts)
    return f'<a href="{_link(base, bar)}" tabindex="-1"><title>{_title(bar)}</title>{hover}{drawn}</a>'


def _part(part: Part, left: float, width: float) -> str:
    place = f'x="{left}" y="{part.y}" width="{width}" height="{part.height}"/>'
    pattern = PATTERNS.get(part.kind)
    return f'<rect class="{part.kind}" {place}' + (f'<rect fill="url(#{pattern})" {place}' if pattern else "")


def _title(bar: Bar) -> str:
    said = {"ok": grouped(bar.ok), "refused": grouped(bar.refused), "errors": grouped(bar.errors)}
    counted = _("%(ok)s OK, %(refused)s refused, %(errors)s with an error") % said
    times = f"; p50 {duration(bar.p50)}, p95 {duration(bar.p95)}" if bar.p50 is not None else ""
    return f"{bar.name}: {counted}{times}"


def _link(base: str, bar: Bar) -> str:
    return conditional_escape(base + bar.query)


def rows(chart: Chart, base: str) -> SafeString:
    """Return the same in numbers, as rows of a table."""
    return mark_safe("".join(_row(base, bar) for bar in chart.bars))  # noqa: S308 (as above)


def _row(base: str, bar: Bar) -> str:
    when = format_html('<time datetime="{}" title="{}">{}</time>', bar.iso, bar.in_utc, bar.name)
    numbers = map(grouped, (bar.ok, bar.refused, bar.errors, bar.total))
    cells = "".join(f'<td class="number">{text}</td>' for text in (*numbers, duration(bar.p50), duration(bar.p95)))
    return f'<tr><th scope="row"><a href="{_link(base, bar)}">{when}</a></th>{cells}</tr>'
