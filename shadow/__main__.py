"""`python -m shadow`: the `shadow` command, also where scripts are not on the path."""

from shadow.cli import main

if __name__ == "__main__":  # worker processes of a command import this module too
    main()
