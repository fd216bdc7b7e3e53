"""The tests; a package, so that every folder of it can say `from tests.harness import ...`."""
