"""Where clients lie that have an environment of their own. `make clients` installs them."""

import pathlib

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"


def python(name: str) -> pathlib.Path:
    return _there(BUILD / name / "bin" / "python")


def modules(name: str) -> pathlib.Path:
    return _there(BUILD / name / "node_modules")


def _there(path: pathlib.Path) -> pathlib.Path:
    assert path.exists(), f"{path} is not there: run `make clients`."
    return path
