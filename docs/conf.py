"""Sphinx' settings for these pages: ``make docs`` (``docs/make.py`` says what is put together before).

The pages are plain reStructuredText, so that they can be read in any viewer. Sphinx learns here what it would have to
be told by directives of its own:

1. A link to another page's file (```<messages.rst>`_``) leads to its HTML.
2. A page that is named (````docs/messages.rst````) is a link.
3. The list of links on the page ``index`` is the table of contents.
"""

import posixpath
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

import smsconnector

project = "SMS connector"
author = "the smsconnector authors"
version = release = smsconnector.__version__
extensions: list[str] = []
root_doc = "index"
exclude_patterns = ["make.py"]
html_theme = "alabaster"  # it loads nothing from elsewhere
html_theme_options = {
    "description": "Texts in by HTTP, out by SMPP, one honest report each",
    "page_width": "75rem",
    "sidebar_collapse": True,
    "show_related": True,
}
html_static_path: list[str] = []
html_show_sourcelink = False
html_copy_source = False
highlight_language = "none"  # blocks hold shell, YAML, JSON and drawings; a guess would be wrong too often

html_extra_path = ["openapi.yaml"]  # docs/make.py brings it

_LINKS = re.compile(r"`[^`<]*<([A-Za-z0-9_/.-]+)\.rst>`_")
_PAGE = re.compile(r"(?:docs/)?([A-Za-z0-9_/-]+)\.rst(?:#([a-z0-9-]+))?")
_log = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_contents)
    app.connect("doctree-resolved", _link_pages)


def _add_contents(_app: Sphinx, page: str, content: list[str]) -> None:
    """The links of the index, in their order, are its table of contents."""
    if page == root_doc:
        names = list(dict.fromkeys(_LINKS.findall(content[0])))
        content[0] += "\n.. toctree::\n   :hidden:\n\n" + "".join(f"   {name}\n" for name in names)


def _link_pages(app: Sphinx, tree: nodes.document, page: str) -> None:
    for node in tree.findall(nodes.reference):
        uri = node.get("refuri", "")
        if uri.partition("#")[0].endswith(".rst") and ":" not in uri:
            target = _address(app, uri, page)
            if target is None:
                _log.warning("no page has the name %s", uri, location=node)
            else:
                node["refuri"] = target
    for literal in list(tree.findall(nodes.literal)):
        target = _address(app, literal.astext(), page)
        if target is not None and not isinstance(literal.parent, nodes.reference):
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), internal=True, refuri=target))


def _address(app: Sphinx, name: str, page: str) -> str | None:
    """Where the page is, seen from ``page``, that the file ``name`` makes: named from its own folder, from the root of
    the source, or from ``docs``. None if there is none, or it is ``page`` itself."""
    if name == "smsconnector/http/openapi.yaml":
        return posixpath.relpath("openapi.yaml", posixpath.dirname(page) or ".")
    found = _PAGE.fullmatch(name)
    if found is None:
        return None
    other = "security-policy" if found[1] == "SECURITY" else found[1]
    names = (posixpath.normpath(posixpath.join(posixpath.dirname(page), other)), other, other.lower())
    known = next((one for one in names if one in app.env.found_docs and one != page), None)
    if known is None:
        return None
    return app.builder.get_relative_uri(page, known) + (f"#{found[2]}" if found[2] else "")
