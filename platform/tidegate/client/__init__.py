"""What programs call: enqueue, from async and from blocking code."""

from tidegate.client.asynchronous import Tidegate
from tidegate.client.blocking import BlockingTidegate

__all__ = ["BlockingTidegate", "Tidegate"]
