"""`python -m devenv`."""

from devenv.cli.app import console

console()
