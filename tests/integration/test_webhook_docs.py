"""The example of ``docs/webhooks.rst`` is run: it verifies what the sink sends, and passes over repeats."""

import io
import os
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.sinks.webhook.message import body_of, headers_of
from smsconnector.wall_clock import WallClock
from tests.unit.sinks.webhook.stage import SECRET, text

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks.rst"


class ExampleCase(SynchronousTestCase):
    def setUp(self) -> None:
        found = re.search(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text())
        assert found is not None
        self.patch(os, "environ", os.environ | {"WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"})
        self.names: dict[str, Any] = {}
        exec(textwrap.dedent(found[1]), self.names)

    def post(self, body: bytes, headers: dict[str, str]) -> str:
        said: list[str] = []
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}  # type: ignore[dict-item]
        self.names["application"](environ, lambda status, _headers: said.append(status))
        return said[0]

    def test_example(self) -> None:
        """A good one is printed once however often it comes; one that somebody has changed is refused."""
        printed = io.StringIO()
        self.patch(sys, "stdout", printed)
        now_s = WallClock().milliseconds() // 1000
        body = body_of(text(1))
        headers = dict(headers_of(text(1), body, (SECRET,), now_s))
        self.assertEqual([self.post(body, headers) for _ in range(2)], ["204 No Content"] * 2)
        self.assertEqual(printed.getvalue().count("message.incoming"), 1)
        self.assertEqual(self.post(body.replace(b"hi", b"ho"), headers), "400 Bad Request")
        self.assertEqual(self.post(body, {}), "400 Bad Request")
