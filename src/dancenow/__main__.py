"""`python -m dancenow`: the command line."""

from dancenow.cli.main import main

if __name__ == "__main__":
    main()
