"""What the registry shows to Prometheus besides its requests, read from its database and from what it published."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from services.registry import store
from services.registry.publishing import Publisher
from services.registry.releases import ChannelEventKind, ReleaseState
from shared.database import reading
from shared.web import Labels, Metrics


def show_states(metrics: Metrics, engine: Engine, publisher: Publisher, now: Callable[[], datetime]) -> None:
    """Shows candidates, channels and signatures as they are."""

    def candidates() -> dict[Labels, float]:
        with reading(engine) as session:
            counts = store.count_releases(session)
        refused = counts.get(ReleaseState.REFUSED, 0)
        return {("accepted",): sum(counts.values()) - refused, ("refused",): refused}

    def moves() -> dict[Labels, float]:
        with reading(engine) as session:
            counts = store.count_events(session)
        return {(kind.value,): counts.get(kind, 0) for kind in ChannelEventKind}

    def expiries() -> dict[Labels, float]:
        published = publisher.published()
        if published is None:
            return {}
        return {(role,): (at - now()).total_seconds() for role, at in published.expiries().items()}

    def is_behind() -> float:
        return float(publisher.complaint() is not None)

    metrics.state("candidates_total", "Candidates by what the gate said", candidates, "outcome")
    metrics.state("channel_moves_total", "What was done to channels; promote publishes a release", moves, "move")
    metrics.state("signature_expires_seconds", "Time until phones refuse the metadata of a role", expiries, "role")
    metrics.state("publication_is_behind", "1 if something keeps phones from updating, else 0", is_behind)
