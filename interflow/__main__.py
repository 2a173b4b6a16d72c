"""``python -m interflow`` is the command line."""

from interflow.cli import main

if __name__ == "__main__":
    main()
