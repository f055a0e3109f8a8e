"""`python -m almanac.cli`; the script `almanac` at the root of the project calls it."""

from almanac.cli.app import main

if __name__ == "__main__":
    main()
