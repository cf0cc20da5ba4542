"""Every template of the section of an ``http`` channel, read once, and what is wrong with any of them.

The section is read as it stands in the file, so that each fault is told with its path, whatever else is wrong. The
channel reads it again by the same class when it is made.
"""

from collections.abc import Mapping
from typing import Any

from smsconnector.channels.http.signing import check_signed
from smsconnector.errors import TemplateError
from smsconnector.rest.requests import Problems, RequestTemplate, compile_request, compile_tree
from smsconnector.rest.templates import Place, Template, read_template
from smsconnector.rest.variables import OF_THE_DOOR, OF_THE_SENDER, names

_LOGIN_NAMES = ("now", "now_ms", "nonce", "channel")  # what a log-in may name beside the secrets
_OUR_IDS = ("sid", "id", "callback_url")  # names in whose values our id of a text stands
_CHANGING = {"now", "now_ms", "nonce", "lifetime", "validity", "session", "signature"}  # others at each try


class Templates:
    """Every template of a section. ``data`` is the section as it stands in the file, which may be wrong in any way, or
    ``settings.HTTPChannelSection.written``. ``problems`` are their faults, each with its path."""

    def __init__(self, data: Mapping[str, Any], path: str = "") -> None:
        self.problems: Problems = []
        secrets = [str(name) for key in ("secrets", "secret_files") for name in _mapping(data.get(key))]
        authentication = _mapping(data.get("authentication"))
        login, oauth2 = _mapping(authentication.get("login")), _mapping(authentication.get("oauth2"))
        token, sign = _mapping(authentication.get("jwt")), _mapping(data.get("sign"))
        has_session = bool(login or oauth2 or token)
        self._known = names(secrets, has_session, bool(sign))
        self._login_known = (*_LOGIN_NAMES, *(f"secret.{name}" for name in secrets))
        self._path = path
        self._has_token, self._has_basic = bool(oauth2 or token), bool(authentication.get("basic"))
        self.request = self._request(self._authorized(data.get("request"), "request"), self._known, "request")
        self.lookup = self._lookup(_mapping(data.get("lookup")))
        self.login: RequestTemplate | None = None
        if login:
            place = "authentication.login.request"
            self.login = self._request(_mapping(login.get("request")), self._login_known, place)
            if self.request is not None and "session" not in self.request.names:
                self.problems.append(
                    (
                        self._place("authentication.login"),
                        "the request names no {{session}}: write where it has to stand",
                    )
                )
        elif oauth2:
            self.login = self._token_request(oauth2)
        self.basic = self._pair(_mapping(authentication.get("basic")), ("username", "password"), "authentication.basic")
        self.client = self._pair(oauth2, ("client_id", "client_secret"), "authentication.oauth2")
        proxy = {"password": ""} | dict(_mapping(data.get("proxy")))  # nosec B105 # none is given
        self.proxy = self._pair(proxy, ("username", "password"), "proxy")
        self.claims, problems = compile_tree(
            dict(_mapping(token.get("claims"))), self._login_known, self._place("authentication.jwt.claims")
        )
        self.problems += problems
        self.signed, self.key = self._signing(sign, names(secrets, has_session)) if sign else (None, None)
        own = data.get("id")
        self.own_id = self._text(_mapping(own).get("own", "{{sid}}"), self._known, "id.own")
        self._check_what_is_needed(has_sender=data.get("from") is not None)

    def _check_what_is_needed(self, has_sender: bool) -> None:
        """Names that are others at each try in our id, and names without a value where nothing can be left out."""
        missing = [
            (f"{place}.{key}", name)
            for place, request in (("request", self.request), ("lookup.request", self.lookup))
            for key, name in (() if request is None else request.may_be_missing())
        ]
        if self.own_id is not None and (changing := self.own_id.names & _CHANGING):
            sentence = f"{min(changing)} is another at each try, so it is no id: write {{{{sid}}}}"
            self.problems.append((self._place("id.own"), sentence))
        elif self.own_id is not None:
            missing += [("id.own", name) for name in sorted(self.own_id.may_be_missing)]
        for place, name in missing:
            if name in OF_THE_DOOR or (name in OF_THE_SENDER and has_sender):
                continue  # every text has it, or none: that is told by ``HTTPChannelSection.warnings``
            hint = "write from: in this section, or " if name in OF_THE_SENDER else ""
            sentence = f"some texts have no value for {{{{{name}}}}}, and nothing can be left out here: {hint}"
            self.problems.append((self._place(place), f"{sentence}put |default:WORD behind it"))

    def _signing(self, sign: Mapping[str, Any], known: tuple[str, ...]) -> tuple[Template | None, Template | None]:
        """What is signed, and the key."""
        signed = self._text(sign.get("template") or "", known, "sign.template")
        key = None if sign.get("secret") is None else self._text(sign["secret"], self._login_known, "sign.secret")
        if self.request is None or signed is None:
            return signed, key
        if "signature" not in self.request.names:
            self.problems.append(
                (self._place("sign"), "the request names no {{signature}}: write where it has to stand")
            )
        for request in (self.request, self.lookup):
            if request is None or (request is self.lookup and "signature" not in request.names):
                continue
            try:
                check_signed(signed, request, _mapping(sign.get("params")))
            except TemplateError as error:
                self.problems.append((self._place("sign.template"), str(error)))
        return signed, key

    def _request(self, data: Mapping[str, Any], known: tuple[str, ...], place: str) -> RequestTemplate | None:
        found, problems = compile_request(data, known, self._place(place))
        self.problems += problems
        return found

    def _authorized(self, request: Any, place: str) -> dict[str, Any]:
        """With the header Authorization that a token needs, unless it has one of its own."""
        written = dict(_mapping(request))
        headers = _mapping(written.get("headers"))
        written_so = next((str(name) for name in headers if str(name).lower() == "authorization"), None)
        if written_so is None and self._has_token:
            written["headers"] = {"Authorization": "Bearer {{session}}", **headers}
        elif written_so is not None and self._has_basic:
            path = self._place(f"{place}.headers.{written_so}")
            self.problems.append((path, "authentication.basic writes this header: leave one of the two out"))
        return written

    def _lookup(self, lookup: Mapping[str, Any]) -> RequestTemplate | None:
        """The request that asks for an earlier one. Both have to name our id of the text."""
        if not lookup:
            return None
        found = self._request(self._authorized(lookup.get("request"), "lookup.request"), self._known, "lookup.request")
        if found is not None and not found.names & {"sid", "id"}:
            sentence = "name our id of the text, {{sid}} or {{id}}: by nothing else is it sure which one is meant"
            self.problems.append((self._place("lookup.request"), sentence))
        elif found is not None and self.request is not None and not self.request.names & {*_OUR_IDS}:
            sentence = (
                "lookup asks by our id, and the provider does not know the text by {{sid}} or {{id}}: name it here"
            )
            self.problems.append((self._place("request"), sentence))
        return found

    def _token_request(self, oauth2: Mapping[str, Any]) -> RequestTemplate | None:
        """RFC 6749 sections 4.3.2 and 4.4.2; with ``credentials: form`` section 2.3.1."""
        form = {"grant_type": oauth2.get("grant") or "client_credentials"}
        by_form = ("client_id", "client_secret") if oauth2.get("credentials") == "form" else ()
        form |= {key: oauth2[key] for key in (*by_form, "username", "password", "scope") if oauth2.get(key)}
        data = {"url": oauth2.get("token_url"), "form": form | dict(_mapping(oauth2.get("fields"))), "method": "POST"}
        found, problems = compile_request(data, self._login_known, "")
        for where, sentence in problems:
            key = "token_url" if where == ".url" else where.removeprefix(".form.")
            self.problems.append((self._place(f"authentication.oauth2.{key}"), sentence))
        return found

    def _pair(self, data: Mapping[str, Any], keys: tuple[str, str], place: str) -> tuple[Any, Any] | None:
        if not all(isinstance(data.get(key), str) for key in keys):
            return None
        first, second = (self._text(data[key], self._login_known, f"{place}.{key}") for key in keys)
        return first, second

    def _text(self, source: Any, known: tuple[str, ...], place: str) -> Any:
        try:
            return read_template(str(source), Place.RAW, known)
        except TemplateError as error:
            self.problems.append((self._place(place), str(error)))
            return None

    def _place(self, place: str) -> str:
        return f"{self._path}.{place}" if self._path else place


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
