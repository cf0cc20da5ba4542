"""The description of the API holds what the daemon serves: each route, and each field of what it answers."""

from typing import Any

import yaml

from smsconnector.codes.actions import Action
from smsconnector.http import resources
from smsconnector.http.docs import DESCRIPTION
from tests.unit.http.ways import DoorCase

BASE = "/msg-client"


class OpenAPICase(DoorCase):
    def setUp(self) -> None:
        super().setUp()
        self.document: Any = yaml.safe_load(DESCRIPTION.read_text())

    def properties(self, name: str) -> set[str]:
        """Of a schema, and of those that it is made of."""
        schema = self.document["components"]["schemas"][name]
        found = set(schema.get("properties", ()))
        for part in schema.get("allOf", ()):
            named = part.get("$ref", "").rpartition("/")[2]
            found |= self.properties(named) if named else set(part["properties"])
        return found

    def test_routes(self) -> None:
        """All but the webhooks' other forms, which providers know from their own settings, and the page."""
        described = {
            (method.upper(), path.replace("{", "<").replace("}", ">"))
            for path, methods in self.document["paths"].items()
            for method in methods
            if method != "parameters"
        }
        served = {(one.method, one.path) for one in self.resource.api.routes if one.scope not in ("webhook", "public")}
        self.assertEqual({one for one in described if one[1] not in ("/receive", "/delivery-notification")}, served)

    def test_references(self) -> None:
        """Each leads to something."""
        found: list[str] = []

        def walk(node: Any) -> None:
            for key, value in node.items() if isinstance(node, dict) else enumerate(node):
                if key == "$ref":
                    found.append(value)
                elif isinstance(value, dict | list):
                    walk(value)

        walk(self.document)
        for reference in found:
            node = self.document
            for name in reference.removeprefix("#/").split("/"):
                self.assertIn(name, node, reference)
                node = node[name]

    def test_message(self) -> None:
        sent = self.send(To="+923001234567", Body="hi")
        found = self.request("GET", str(sent.header("Location"))).json
        self.assertEqual({*found, "Explanation"}, self.properties("MessageWithParts"))  # of one with a code
        self.assertEqual(set(found["Parts"][0]), self.properties("Part"))
        self.assertEqual(set(self.request("GET", f"{BASE}/messages").json), self.properties("Page"))
        timeline = self.request("GET", f"{sent.header('Location')}/timeline").json
        self.assertEqual(set(timeline), self.properties("Timeline"))

    def test_explained(self) -> None:
        found = self.send(f"{BASE}/send/explain", To="+923001234567", Body="It’s").json
        self.assertEqual(set(found), self.properties("Explained"))
        self.assertEqual(set(found["UCS2Because"][0]), self.properties("Character"))

    def test_error(self) -> None:
        self.assertEqual(set(self.send(Body="hi").error), self.properties("ErrorDetail"))

    def test_words(self) -> None:
        """The states, the events of a timeline, and the actions."""
        schemas = self.document["components"]["schemas"]
        states = {*resources._PLACES.values(), *resources._FURTHEST, "failed", "cancelled", "falling_back", "scheduled"}
        self.assertEqual(set(schemas["State"]["enum"]), states)
        events = schemas["Timeline"]["properties"]["Timeline"]["items"]["properties"]["Event"]["enum"]
        self.assertEqual(tuple(events), resources._ORDER)
        actions = {*schemas["Action"]["enum"]} - {None}
        self.assertEqual(actions, {one.value for one in Action})
