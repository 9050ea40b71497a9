from django import template

from profiles.visible import visible, visible_lines

register = template.Library()
register.filter("visible", visible)
register.filter("visible_lines", visible_lines)


# Django's floatformat and intcomma say the same in ten times the time, and a page has hundreds of them.
@register.filter
def milliseconds(number: float) -> str:
    return f"{number:,.1f} ms"


@register.filter
def grouped(number: int) -> str:
    return f"{number:,}"
