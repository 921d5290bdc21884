"""Cron expressions, as the schedule of runs has them."""

from croniter import croniter


def valid_cron(expression: str) -> str:
    """Gives a cron expression back.

    Raises:
        ValueError: if it is none.
    """
    if not croniter.is_valid(expression):
        raise ValueError("no cron expression; five fields as in `30 2 * * *`, in UTC")
    return expression
