"""The page of the API in a real browser: it shows the description, keeps to its own policy, and asks nobody else."""

import re
import shutil
import socket
import subprocess
import tempfile
import threading
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from tests.integration.activemq import die_with_parent, free_port
from tests.integration.stack import Connector

# Whom a browser asks on its own account, in spite of all options.
ITS_OWN = {f"{name}.google.com" for name in ("accounts", "clients2", "clientservices", "www")}
ITS_OWN |= {f"{name}.googleapis.com" for name in ("update", "optimizationguide-pa", "content-autofill", "safebrowsing")}
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--metrics-recording-only",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication",
)


class BrowserCase(TestCase):
    timeout = 120

    @inlineCallbacks
    def test_page(self) -> Any:
        """Every request but those to this machine goes to a proxy, which notes it and gives no answer."""
        browser = shutil.which("chromium")
        if browser is None:
            raise SkipTest("needs chromium: apt-get install chromium")
        connector = Connector(
            [free_port()], f"tcp://127.0.0.1:{free_port()}", http={"api_keys": ["a-key-that-the-browser-has-not"]}
        )
        self.addCleanup(connector.close)
        yield connector.start()
        proxy = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(proxy.close)
        asked: list[str] = []
        threading.Thread(target=self.note, args=(proxy, asked), daemon=True).start()
        url = f"http://127.0.0.1:{connector.port}/msg-client/docs"
        done = yield deferToThread(self.render, browser, url, proxy.getsockname()[1])
        for shown in ("Send a text", "/send-batch", "/messages/{sid}/timeline", "Take back a message", "Schemas"):
            self.assertIn(shown, done.stdout)
        for bad in ("Failed to load", "Unable to render", "Parser error"):
            self.assertNotIn(bad, done.stdout)
        for bad in ("Content Security Policy", "CONSOLE"):
            self.assertNotIn(bad, done.stderr)
        self.assertEqual({*asked} - ITS_OWN, set())
        outside = "data:text/html,<img src='http://outside.example/a'><script src='https://other.example/b'></script>"
        yield deferToThread(self.render, browser, outside, proxy.getsockname()[1])
        self.assertEqual({*asked} - ITS_OWN, {"outside.example", "other.example"})  # that it would have been seen

    @staticmethod
    def render(browser: str, url: str, proxy_port: int) -> "subprocess.CompletedProcess[str]":
        """The document as it is when its scripts are done. Not in its sandbox, which root has not."""
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run(
                [
                    *die_with_parent(),
                    browser,
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    f"--user-data-dir={folder}",
                    f"--proxy-server=http://127.0.0.1:{proxy_port}",
                    *QUIET,
                    "--enable-logging=stderr",
                    "--virtual-time-budget=20000",
                    "--dump-dom",
                    url,
                ],
                capture_output=True,
                text=True,
                timeout=90,
                check=True,
            )

    @staticmethod
    def note(proxy: socket.socket, asked: list[str]) -> None:
        """Of each request the host; an answer it does not get."""
        try:
            while True:
                client, _ = proxy.accept()
                with client:
                    target = client.recv(1_000).split(b" ")[1].decode()
                    asked.append(re.split("[:/]", target.removeprefix("http://"))[0])
        except OSError:
            return  # the test has closed it
