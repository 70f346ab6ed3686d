"""``python -m hardmine.cli``."""

from hardmine.cli.main import command

if __name__ == "__main__":
    command()
