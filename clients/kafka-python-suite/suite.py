"""A pytest plugin that runs kafka-python's own integration tests, as its source package carries them, against a
broker that is already there, and writes what became of each test to `SUITE_RESULTS`.

The package leaves out the module with which the tests start brokers of their own; of that, a broker that is
already there needs the little below.
"""

import json
import os
import sys
import types


class ExternalService:
    """A broker that the tests did not start and do not stop."""

    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        """It is open."""

    def close(self):
        """It stays."""

    def stop(self):
        """It stays."""

    def dump_logs(self):
        """Its logs are elsewhere."""


class SpawnedService:
    """A broker that a test would start itself, which it may not here."""

    def __init__(self, *_arguments, **_options):
        raise RuntimeError("this test starts a broker of its own")


service = types.ModuleType("test.service")
service.ExternalService, service.SpawnedService = ExternalService, SpawnedService
sys.modules["test.service"] = service

RESULTS = {}


def pytest_runtest_logreport(report):
    """Keeps the worst of a test's three phases."""
    detail = ""
    if report.skipped:
        detail = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    elif report.failed:
        detail = getattr(getattr(report.longrepr, "reprcrash", None), "message", str(report.longrepr))
    before = RESULTS.get(report.nodeid)
    if before is None or before["outcome"] == "passed":
        RESULTS[report.nodeid] = {"test": report.nodeid, "outcome": report.outcome, "detail": detail[:400]}


def pytest_sessionfinish():
    """Writes one line of JSON a test."""
    with open(os.environ["SUITE_RESULTS"], "w", encoding="utf-8") as file:
        file.writelines(json.dumps(result) + "\n" for result in RESULTS.values())
