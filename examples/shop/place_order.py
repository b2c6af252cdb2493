"""Place an order. Its receipt is enqueued in the transaction that stores the order: both are there afterwards, or neither.

Run it from the root of the repository, beside `tidegate up`, which sends the letter:

    python examples/shop/place_order.py
"""

import json
from decimal import Decimal
from uuid import uuid4

from tidegate import Tidegate
from tidegate.demo.jobs import send_receipt

TABLE = "CREATE TABLE IF NOT EXISTS example_orders (id uuid PRIMARY KEY, customer integer NOT NULL, total numeric NOT NULL)"
INSERT = "INSERT INTO example_orders VALUES (%(id)s, %(customer)s, %(total)s)"


def place_order(customer: int, total: Decimal) -> dict[str, object]:
    """Store an order and enqueue its receipt, both or neither."""
    order = uuid4()
    with Tidegate.connect_sync() as tide, tide.engine.begin() as transaction:
        transaction.exec_driver_sql(TABLE)
        transaction.exec_driver_sql(INSERT, {"id": order, "customer": customer, "total": total})
        job = tide.enqueue(send_receipt, order_id=order, user_id=customer, total=total, connection=transaction)
    return {"order": str(order), "job": job}


if __name__ == "__main__":
    print(json.dumps(place_order(customer=1, total=Decimal("49.90"))))
