"""`python -m mobile_model.conformance` makes every vector anew, beside this file."""

from pathlib import Path

import click

from mobile_model.conformance.vectors import make_files


@click.command(help=__doc__)
def main() -> None:
    """Writes what changed and says so."""
    folder = Path(__file__).parent
    for name, content in make_files().items():
        path = folder / name
        is_new = not path.exists() or path.read_bytes() != content
        path.write_bytes(content)
        click.echo(f"{name}: {len(content):,} bytes{', changed' if is_new else ''}")


if __name__ == "__main__":
    main()
