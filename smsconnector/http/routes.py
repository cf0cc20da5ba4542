"""The table of ``API`` as routes of twisted.web: which route a request is for.

A path without a variable is found by its octets, all others by Klein.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from smsconnector.errors import InvalidRequest
from smsconnector.http import replies
from smsconnector.http.answers import NO_ARGUMENTS, HTTPRoute
from smsconnector.http.api import API
from smsconnector.http.site import BoundedRequest

_ORIGIN = re.compile(rb"^https?://[^/]*/", re.IGNORECASE)  # of an absolute URI
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9._-]+)+")  # each octet stands for itself


class Routes(KleinResource):
    """The table of ``api``, as Klein's routes. A path without a variable is found here by its octets, because the
    matching of werkzeug, which Klein uses, costs more than the handler of ``/send``. All others are Klein's."""

    def __init__(self, api: API) -> None:
        self.api, app = api, Klein()
        self.takes_lists = api.takes_lists
        routes: dict[str, HTTPRoute] = {}  # by the name that Klein knows them by
        for route in api.routes:
            for path in route.paths(api.base_path):
                name = f"{route.method} {path}"
                routes[name] = route
                app.route(path, endpoint=name, methods=[route.method], strict_slashes=False)(self._endpoint(route))
        app.handle_errors(HTTPException)(self._nothing_there)
        app.handle_errors(Exception)(self._our_fault)
        super().__init__(app)
        self._plain = {
            (method.encode(), rule.rule.encode()): routes[rule.endpoint]
            for rule in app.url_map.iter_rules()
            if not rule.arguments
            for method in rule.methods or ()
        }
        self._streams = {key: route for key, route in self._plain.items() if route.stream is not None}
        self._routes, self._mapper = routes, app.url_map.bind("")

    def find(self, method: bytes, path: bytes) -> tuple[HTTPRoute, Mapping[str, str]] | None:
        """The route that ``render`` serves a request by, and what stands in its path for the variables; None if there
        is none, or if the path has other octets than letters, digits and a few signs."""
        route = self._plain.get((method, path))
        if route is not None:
            return route, NO_ARGUMENTS
        if not _PLAIN_PATH.fullmatch(path):
            return None
        try:
            endpoint, arguments = self._mapper.match(path.decode("ascii"), method.decode("ascii"))
        except HTTPException:
            return None
        return self._routes[endpoint], arguments

    def find_whole(self, method: bytes, path: bytes) -> tuple[HTTPRoute, Mapping[str, str]] | None:
        """As ``find``; None too if the route takes its body, or gives its answer, in pieces."""
        found = self.find(method, path)
        return None if found is None or found[0].stream is not None or found[0].is_long else found

    def stream_route(self, method: bytes, target: bytes) -> HTTPRoute | None:
        """The route by which the body of this request is taken in pieces; None if it is wanted whole. ``target``: as it
        stands in the first line."""
        path = target.partition(b"?")[0]
        if not path.startswith(b"/"):
            path = _ORIGIN.sub(b"/", path)
        return self._streams.get((method, path.removesuffix(b"/")))

    def render(self, request: Any) -> Any:
        route = self._plain.get((request.method, request.path))
        if route is None:
            if request.method != request.method.upper():  # werkzeug would take it for the method in capitals
                request.answer(replies.refusal(self._no_route(self._methods_at(request.path))))
                return NOT_DONE_YET
            return super().render(request)
        self.api.serve(route, request.record(route), request.answer)
        return NOT_DONE_YET

    def _endpoint(self, route: HTTPRoute) -> Callable[..., "Deferred[bytes]"]:
        """What Klein calls: it serves ``route`` and gives a Deferred of the answer's body."""

        def endpoint(request: BoundedRequest, **arguments: str) -> "Deferred[bytes]":
            if route.is_long:  # Klein writes whole answers; nobody has to write this path in an unusual way
                raise NotFound
            body: Deferred[bytes] = Deferred()
            self.api.serve(
                route, request.record(route, arguments), lambda answer: body.callback(request.set_head(answer))
            )
            return body

        return endpoint

    def _nothing_there(self, request: Any, failure: Failure) -> bytes:
        """No route has this path, or none with this method. A redirect, to the path that was meant, is no route too."""
        error = failure.value
        methods = self._methods_at(request.path) if isinstance(error, MethodNotAllowed) else ()
        code = cast(HTTPException, error).code or 404
        refused = self._no_route(methods, code if 400 <= code < 500 else 404)
        head: bytes = request.set_head(replies.refusal(refused))
        return head

    def _no_route(self, methods: Iterable[str], status: int = 404) -> InvalidRequest:
        """405 if there are ``methods`` that the path has; HEAD comes with GET, and OPTIONS with any."""
        if allowed := {*methods} - {"HEAD", "OPTIONS"}:
            return replies.not_allowed(allowed)
        return InvalidRequest("not_found", f"There is nothing here: see {self.api.base_path}/send.", status=status)

    def _methods_at(self, path: bytes) -> Iterable[str]:
        """Those that the path takes; it is UTF-8 when it was unescaped."""
        decoded = unquote_to_bytes(path).decode()
        methods = self._mapper.allowed_methods(decoded)
        if "POST" in methods:
            endpoint, arguments = self._mapper.match(decoded, "POST")
            return self.api.methods(self._routes[endpoint], arguments)
        return methods

    def _our_fault(self, request: Any, failure: Failure) -> bytes:
        head: bytes = request.set_head(self.api.our_fault(failure, request.path))
        return head
