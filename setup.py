"""The distribution. ``pip install .`` brings the package, both twistd plugins and the console script.

``packages`` names ``twisted.plugins`` by hand: it is a package of another distribution that we add modules
to, has no ``__init__.py`` here, and ``find_packages`` therefore leaves it out.
"""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent

TEST = [
    "hypothesis>=6.100",
    "schemathesis>=4.32",  # makes requests of the description of the API, and compares the answers with it
    "smpp.pdu3==0.6",  # the independent codec that ours is compared with
    "mypy>=1.11",
    "mypy-zope>=1.0.11",  # zope.interface for mypy: Twisted's interfaces are checked with it
    "ruff>=0.6",
    # make audit: what looks unsafe in the code; what is known of what is installed; what setup.py asks for
    "bandit>=1.7.10",
    "pip-audit>=2.7",
    "packaging>=23",
    "setuptools>=77.0.3",  # tests/integration/test_packaging.py builds with it; from Python 3.12 a venv has none
    "towncrier>=24.8",  # CHANGELOG.rst from newsfragments/; the gate reads them
    "types-PyYAML",
    "jsonschema-rs>=0.30",  # checks what we ship by the JSON Schema that check-config prints
    # signatures of webhooks are computed by these too, and compared with what ours says of them
    "twilio>=9",
    "standardwebhooks>=1.0.1",
    "PyJWT>=2.8",
]
CLIENT = ["httpx>=0.27", "anyio>=4"]  # smsconnector.client, for applications; the daemon does without
DOCS = ["sphinx>=8"]  # docs/make.py: the pages as HTML; its own theme alabaster loads nothing from elsewhere
DEMO = ["coilmq>=1.1.0"]  # an embedded STOMP broker, for the demo

setup(
    name="smsconnector",
    version="0.1.0",
    description="A daemon that sends SMS: HTTP in, SMPP out, delivery reports on ActiveMQ over STOMP",
    long_description=(HERE / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    author="the smsconnector authors",
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords=["sms", "smpp", "stomp", "activemq", "twisted"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["smsconnector", "smsconnector.*"]), "twisted.plugins"],
    package_data={"smsconnector": ["store/schema/*.sql", "http/openapi.yaml", "py.typed"]},
    install_requires=[
        "Twisted[tls]>=26.10",
        "klein>=24.8",
        "PyYAML>=6.0",
        "pydantic>=2.10,<3",
        "stompest>=2.3,<3",
        "attrs>=23.1",
        "defusedxml>=0.7.1",  # XML that providers post: no entities, no document types
        "httptools>=0.6.4",  # llhttp, the parser of Node.js: it takes the heads of requests apart
        "treq>=24.9",  # requests to HTTP providers and to webhooks
        "swagger-ui-py>=25.7.1",  # files of Swagger UI 5, for /msg-client/docs; none of its code is imported
        "phonenumbers>=8.13",  # Google's tables: which numbers a country can have, and the zero that is dialled at home
        # Twisted[tls] brings these; endpoints, the doctor and signatures of webhooks use them themselves
        "cryptography>=42",
        "pyOpenSSL>=24",
        "service_identity>=24",
    ],
    extras_require={"test": TEST + CLIENT + DEMO + DOCS, "client": CLIENT, "demo": DEMO, "docs": DOCS},
    entry_points={"console_scripts": ["smsconnector = smsconnector.__main__:main"]},
    zip_safe=False,
    classifiers=[  # none for the license: license_expression says it (PEP 639)
        "Development Status :: 4 - Beta",
        "Environment :: No Input/Output (Daemon)",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Intended Audience :: Telecommunications Industry",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Communications :: Telephony",
        "Typing :: Typed",
    ],
)
