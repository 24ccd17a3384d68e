"""Moments as options take them: how long ago, or when."""

from datetime import UTC, datetime, timedelta

from fluvio_cli.quantities import parse_duration_s


def parse_moment(text: str, *, now: datetime | None = None) -> datetime:
    """`10m`, so long ago, or a date and time as in ISO 8601. Raises ValueError.

    Without a time zone it is one of this machine's.
    now: what "ago" is counted from; the clock's unless said
    """
    try:
        ago_s = parse_duration_s(text)
    except ValueError:
        try:
            return datetime.fromisoformat(text.strip()).astimezone()
        except (ValueError, OverflowError):
            raise ValueError(
                "expected how long ago, such as 10m, or when, such as 2024-05-01T12:30:00Z"
            ) from None
    try:
        return (now or datetime.now(UTC)) - timedelta(seconds=ago_s)
    except OverflowError:
        raise ValueError("that is before all calendars") from None


def format_moment(moment: datetime) -> str:
    """`2024-05-01 14:30:00.000+02:00`, in the zone of this machine."""
    return moment.astimezone().isoformat(sep=" ", timespec="milliseconds")
