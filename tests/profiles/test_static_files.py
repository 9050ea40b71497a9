"""The weight of the front end, and that what others made is what it says it is."""

import gzip
import hashlib
import re
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "static"


SKELETON = (STATIC.parent / "templates/skeleton.html").read_text()


def size(names: set[str]) -> int:
    """Return the bytes that go over the wire, compressed."""
    return sum(len(gzip.compress((STATIC / name).read_bytes())) for name in names)


def test_what_every_page_loads_stays_small():
    styles = set(re.findall(r"css/\w+\.css", SKELETON))
    modules = {f"js/{name}.js" for name in re.findall(r'"\./(\w+)\.js"', (STATIC / "js/nexus.js").read_text())}
    assert size(styles) < 13 * 1024
    assert size(modules | {"js/nexus.js", "js/announce.js"}) < 6 * 1024


def test_the_icons_are_the_ones_of_the_record():
    record = (STATIC / "vendor/README.md").read_text()
    assert hashlib.sha256((STATIC / "img/icons.svg").read_bytes()).hexdigest() in record
    assert "MIT" in (STATIC / "vendor/tabler-icons.LICENSE").read_text()


def test_every_icon_that_a_template_names_is_there():
    icons = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "img/icons.svg").read_text()))
    templates = [path.read_text() for path in (STATIC.parent / "templates").rglob("*.html")]
    named = {name for text in templates for name in re.findall(r'icon\.html" with name="([^"]+)"', text)}
    named |= {name for text in templates for name in re.findall(r' icon="([^"]+)"', text)}
    assert named <= icons


def test_nothing_names_another_host():
    for path in [*STATIC.rglob("*.css"), *STATIC.rglob("*.js")]:
        assert not re.search(r"https?://|//[a-z]+\.", path.read_text()), path


def test_modules_do_one_thing_each():
    for path in STATIC.glob("js/*.js"):
        assert len(path.read_text().splitlines()) <= 60, path
