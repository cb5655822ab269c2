"""Jinja2 environments over the folders of templates. What is in them belongs to their users."""

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

FOLDER = Path(__file__).parent


@functools.cache
def environment(name: str) -> Environment:
    """The templates in the folder `name`, such as `docker` or `pages`.

    An unknown variable is an error. HTML templates escape what they are given; others do not.
    """
    return Environment(
        loader=FileSystemLoader(FOLDER / name),
        undefined=StrictUndefined,
        autoescape=select_autoescape(("html", "html.j2", "svg.j2")),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
