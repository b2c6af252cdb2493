"""The jobs of the bank: a transfer goes through the connection whose transaction commits with the ack of its job."""

from sqlalchemy import text

from tidegate import JobContext, job

# No key on `number`: whatever were booked twice would stand there twice.
TABLES = """
CREATE TABLE bank_accounts (id integer PRIMARY KEY, balance integer NOT NULL);
CREATE TABLE bank_bookings (number integer NOT NULL, source integer NOT NULL, target integer NOT NULL, amount integer NOT NULL);
"""
LOCK = text("SELECT id FROM bank_accounts WHERE id IN (:source, :target) ORDER BY id FOR UPDATE")  # in order: no deadlocks
TAKE = text("UPDATE bank_accounts SET balance = balance - :amount WHERE id = :source")
GIVE = text("UPDATE bank_accounts SET balance = balance + :amount WHERE id = :target")
NOTE = text("INSERT INTO bank_bookings VALUES (:number, :source, :target, :amount)")


@job(queue="transfers")
async def transfer(context: JobContext, number: int, source: int, target: int, amount: int):
    values = {"number": number, "source": source, "target": target, "amount": amount}
    for statement in (LOCK, TAKE, GIVE, NOTE):
        await context.connection.execute(statement, values)


@job(queue="counter")
def transfer_at_the_counter(context: JobContext, number: int, source: int, target: int, amount: int):
    """The same in blocking code."""
    values = {"number": number, "source": source, "target": target, "amount": amount}
    for statement in (LOCK, TAKE, GIVE, NOTE):
        context.connection.execute(statement, values)
