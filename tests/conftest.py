"""Fixtures that every test may ask for."""

pytest_plugins = ["pytester", "tests.requirements"]
