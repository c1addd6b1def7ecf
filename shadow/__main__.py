"""`python -m shadow`: the `shadow` command, also where scripts are not on the path."""

from shadow.cli import main

main()
