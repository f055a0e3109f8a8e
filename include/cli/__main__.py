"""`python -m include.cli`; the script `almanac` at the root of the project calls it."""

from include.cli.app import main

if __name__ == "__main__":
    main()
