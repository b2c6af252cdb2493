"""Whom it is told when something goes wrong: dead letters, new errors, open circuits, late queues, lost nodes.

happenings   written where they happen, or seen by the leader (`store.alerts`, `lateness`)
decision     what each channel is told now, and what waits for its digest: pure (`decision`)
words        what it says (`wording`)
couriers     webhook, mail, command, log: one try each (`delivery`)
the service  `Notifications`: while its node leads, it decides and has sent what is due (`service`)
"""

from tidegate.notifications.channels import Channel, channels_of
from tidegate.notifications.delivery import Undelivered, deliver
from tidegate.notifications.service import Notifications

__all__ = ["Channel", "Notifications", "Undelivered", "channels_of", "deliver"]
