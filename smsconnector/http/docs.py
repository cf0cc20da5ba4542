"""The description of the API (OpenAPI 3.1), and a page that shows it. Both need no key: they are the same for every
installation but for the base path, and tell nothing of its channels, numbers or keys. ``http.docs: false`` switches
them off.

``openapi.yaml`` beside this module is the description. It is served as JSON. The page is Swagger UI, whose files are
those of the package swagger-ui-py, as they are: nothing of that package is imported. The page asks nobody but this
server, and its Content-Security-Policy lets it ask nobody else.

Everything is read when it is asked for the first time, and kept: 2 MB at most. Browsers keep it too, and ask by its
ETag whether it is still the same (RFC 9110 section 8.8.3).
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from smsconnector.errors import InvalidRequest
from smsconnector.http.answers import Answer, GiveAnswer, Headers, HTTPRequest, HTTPRoute

DESCRIPTION = Path(__file__).with_name("openapi.yaml")
_PACKAGE, _FOLDER = "swagger_ui", "static"
_JAVASCRIPT, _CSS = b"text/javascript; charset=utf-8", b"text/css; charset=utf-8"
# Swagger UI writes its icons into its style sheet, as data.
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Headers = (
    (b"Cache-Control", b"no-cache"),  # kept, and asked for each time (RFC 9111 section 5.2.2.4)
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
)
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>smsconnector: the HTTP API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{path}/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<noscript>This page needs JavaScript. The description itself is <a href="{description}">{description}</a>.</noscript>
<script src="{path}/swagger-ui-bundle.js"></script>
<script src="{path}/page.js"></script>
</body>
</html>
"""
_SCRIPT = b"""\
"use strict";
SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
});
"""


class _File(NamedTuple):
    """What is served, with its headers."""

    body: bytes
    headers: Headers


class Docs:
    """The routes. ``base_path`` is that of the API."""

    def __init__(self, base_path: str) -> None:
        self._base_path = base_path

    def routes(self) -> tuple[HTTPRoute, ...]:
        ui = {"swagger-ui.css": _CSS, "swagger-ui-bundle.js": _JAVASCRIPT}
        return (
            self._route("/openapi.json", lambda: _file(b"application/json", _description(self._base_path))),
            self._route("/docs", lambda: _file(b"text/html; charset=utf-8", self._page())),
            self._route("/docs/page.js", lambda: _file(_JAVASCRIPT, _SCRIPT)),
            *(self._route(f"/docs/{name}", _of_package(name, kind), is_long=True) for name, kind in ui.items()),
        )

    def _page(self) -> bytes:
        base = self._base_path
        return _PAGE.format(path=f"{base}/docs", description=f"{base}/openapi.json").encode()

    def _route(self, path: str, read: Callable[[], _File], *, is_long: bool = False) -> HTTPRoute:
        kept = cache(read)

        def serve(request: HTTPRequest, answer: GiveAnswer) -> None:
            """200 with the file, or 304 if the client has it. The body of a 304 is for its length: nobody writes it."""
            file = kept()
            answer(Answer(304 if _is_known(request, file) else 200, file.headers, file.body))

        return HTTPRoute("GET", path, serve, "public", is_long=is_long)


def _file(kind: bytes, body: bytes) -> _File:
    etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
    policy = ((b"Content-Security-Policy", _POLICY),) if kind.startswith(b"text/html") else ()
    return _File(body, ((b"Content-Type", kind), (b"ETag", etag), *_HEADERS, *policy))


def _of_package(name: str, kind: bytes) -> Callable[[], _File]:
    def read() -> _File:
        spec = find_spec(_PACKAGE)
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder) / _FOLDER / name
            if path.is_file():
                return _file(kind, path.read_bytes())
        raise InvalidRequest("not_found", "The page needs the package swagger-ui-py: install it.", status=404)

    return read


def _is_known(request: HTTPRequest, file: _File) -> bool:
    """By If-None-Match (RFC 9110 section 13.1.2): a list of tags, weak ones too, or *."""
    tag = dict(file.headers)[b"ETag"]
    given = [one.strip() for one in b",".join(request.headers.get(b"if-none-match", ())).split(b",")]
    return b"*" in given or tag in [one.removeprefix(b"W/") for one in given]


@cache
def _description(base_path: str) -> bytes:
    """As JSON. The server is this one."""
    found: Any = yaml.load(DESCRIPTION.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # nosec B506 # the C loader is a safe one too
    return json.dumps(found | {"servers": [{"url": base_path}]}, ensure_ascii=False).encode()
