"""The service under a supervisor of its own: what is wrong with it ends neither the node nor the rest of it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from tidegate.backoff import exponential
from tidegate.events import Events, Restarted
from tidegate.notifications.channels import channels_of
from tidegate.notifications.service import Notifications
from tidegate.settings import Settings
from tidegate.store.alerts import Alerts
from tidegate.supervision import ChildSpec, Supervisor

if TYPE_CHECKING:
    from tidegate.runtime.maintenance import Snapshot

__all__ = ["telling"]

RETRY: Final = exponential(base=1, factor=2, cap=60)


class Teller(Protocol):
    """The node that is to tell."""

    settings: Settings
    events: Events

    @property
    def leading(self) -> bool:
        """Tell whether it leads."""

    @property
    def node(self) -> str:
        """Its name now."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The fleet's depths, where it leads."""


def telling(teller: Teller, alerts: Alerts | None, rng: Random) -> tuple[ChildSpec, ...]:
    """Return the child of a node that tells what goes wrong; none where nobody is to be told."""
    channels = channels_of(teller.settings.notifications, teller.settings.folder)
    if alerts is None or not channels:
        return ()

    settings = teller.settings
    targets = {name: settings.queue(name).scaling.target_latency for name in settings.queue_names}

    def service() -> Notifications:
        return Notifications(
            channels,
            alerts,
            leading=lambda: teller.leading,
            node=lambda: teller.node,
            queues=lambda: () if teller.snapshot is None else teller.snapshot.queues,
            targets=targets,
            emit=teller.events.emit,
            rng=rng,
        )

    def supervisor() -> Supervisor:
        spec = ChildSpec("notifications", service, backoff=RETRY)
        return Supervisor([spec], intensity=None, name="telling", rng=rng, on_restart=_restarted)

    def _restarted(child: str) -> None:
        teller.events.emit(Restarted(child))

    return (ChildSpec("telling", supervisor, shutdown=None),)
