"""The story of PostgreSQL's clients for psycopg 3."""

import datetime
import decimal
import threading

import psycopg
import sqlalchemy
from psycopg.types import TypeInfo

from flights import COUNT, CREATE, HOST, ODDS, PORT, flight, produce
from story import Story, expect

UTC = datetime.timezone.utc
ODD = (
    True,
    -7,
    300,
    70_000,
    5_000_000_000,
    1.5,
    2.25e-7,
    decimal.Decimal("-12.340"),
    "ä'\"\\ x",
    b"\x00\xff",
    datetime.date(2024, 2, 29),
    datetime.time(12, 34, 56, 789_000),
    datetime.datetime(2024, 2, 29, 12, 34, 56, 123_456),
    datetime.datetime(2024, 2, 29, 12, 34, 56, 789_000, UTC),
    [1, None],
)
#: More work than anybody waits for.
ENDLESS = """SELECT COUNT(*) FROM flights a, flights b, flights c, flights d
    WHERE a.delay < b.delay AND b.delay < c.delay AND c.delay < d.delay"""


def connect(**options):
    options = {"autocommit": True, **options}
    return psycopg.connect(host=HOST, port=PORT, user="story", dbname="levada", connect_timeout=30, **options)


def rows(connection, query, values=None, **options):
    with connection.cursor(**options) as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def refused(state, action):
    try:
        action()
    except psycopg.Error as error:
        expect(error.sqlstate == state, f"refused with {error.sqlstate}, not {state}: {error}")
        return error
    raise AssertionError(f"not refused with {state}")


class Steps:
    def __init__(self):
        self.connection = connect()

    def connect(self):
        info = self.connection.info
        expect(info.server_version == 150_000 and info.encoding == "utf-8", f"{info.server_version} {info.encoding}")
        shown = rows(self.connection, "SHOW server_version")[0][0]
        version, user, database = rows(self.connection, "SELECT version(), current_user, current_database()")[0]
        expect(shown in version and (user, database) == ("story", "levada"), f"{version}, {user}, {database}")
        return shown

    def define(self):
        for statement in CREATE:
            self.connection.execute(statement)
        refused("42P07", lambda: self.connection.execute(CREATE[0]))
        names = [name for (name,) in rows(self.connection, "SHOW TABLES")]
        expect(names == ["delays", "flights", "late", "odds"], f"there are {names}")
        self.connection.execute('CREATE VIEW "Gone" AS SELECT "id" FROM "flights"')
        self.connection.execute('DROP VIEW "Gone"')
        produce("flights", map(flight, range(COUNT)))
        produce("odds", ODDS, partition=0)

    def select(self):
        query = "SELECT id, carrier, delay, fare FROM flights"
        found = rows(self.connection, query)
        wanted = [(it["id"], it["carrier"], it["delay"], decimal.Decimal(it["fare"])) for it in map(flight, range(COUNT))]
        expect(sorted(found) == wanted, f"{len(found)} rows, of which one is {found[:1]}")
        best = rows(self.connection, "SELECT id FROM late ORDER BY id DESC LIMIT 2")
        expect(best == [(959,), (958,)], f"{best}")

    def types(self):
        for binary in (False, True):
            found = rows(self.connection, "SELECT * FROM odds", binary=binary)
            expect(found == [ODD, (None,) * len(ODD)], f"binary: {binary}: {found}")

    def parameters(self):
        for conversion in ("%s", "%b", "%t"):
            # Without an array, and with times that have microseconds at most.
            places = ", ".join([conversion] * (len(ODD) - 1))
            found = rows(self.connection, f"SELECT {places}", ODD[:-1], binary=conversion == "%b")
            expect(found == [ODD[:-1]], f"{conversion}: {found}")
        query = "SELECT COUNT(*) FROM flights WHERE carrier = %s AND delay > %s AND id IN (%s, %s, %s) AND fare < %s"
        for _ in range(10):
            values = ("AA", 0, 12, 16, 17, decimal.Decimal("16.51"))
            found = rows(self.connection, query, values)
            expect(found == [(2,)], f"{found}")
        # Text takes the type of what it is compared with, and NULL is nothing's equal.
        expect(rows(self.connection, "SELECT COUNT(*) FROM flights WHERE delay < %s", ("-9",)) == [(17,)], "as text")
        expect(rows(self.connection, "SELECT COUNT(*) FROM flights WHERE carrier = %s", (None,)) == [(0,)], "NULL")
        refused("22P02", lambda: rows(self.connection, "SELECT id FROM flights WHERE delay < %s", ("much",)))
        with self.connection.pipeline():
            first = self.connection.execute("SELECT 1")
            second = self.connection.execute("SELECT %s + 1", (4,))
        expect((first.fetchall(), second.fetchall()) == ([(1,)], [(5,)]), "the pipeline's answers")

    def catalog(self):
        query = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
        found = rows(self.connection, query, ("public",))
        kinds = [("delays", "BASE TABLE"), ("flights", "BASE TABLE"), ("late", "VIEW"), ("odds", "BASE TABLE")]
        expect(found == kinds, f"{found}")
        query = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'flights'::regclass"
        found = rows(self.connection, query + " AND attnum > 0 ORDER BY attnum")
        wanted = [("id", "bigint"), ("carrier", "text"), ("delay", "integer"), ("fare", "numeric(10,2)")]
        expect(found == wanted, f"{found}")
        known = TypeInfo.fetch(self.connection, "int8")
        expect(known is not None and (known.oid, known.array_oid) == (20, 1016), f"{known}")
        self.reflect()

    def reflect(self):
        """What SQLAlchemy finds, and with it the tools that are built on it."""
        inspector = sqlalchemy.inspect(sqlalchemy.create_engine(f"postgresql+psycopg://story@{HOST}:{PORT}/levada"))
        found = (sorted(inspector.get_table_names()), inspector.get_view_names(), inspector.get_schema_names())
        expect(found == (["delays", "flights", "odds"], ["late"], ["information_schema", "public"]), f"{found}")
        delays = sqlalchemy.Table("delays", sqlalchemy.MetaData(), autoload_with=inspector)
        columns = [(column.name, str(column.type), column.nullable) for column in delays.columns]
        expect(columns == [("carrier", "TEXT", False), ("n", "BIGINT", True)], f"{columns}")
        expect(list(delays.primary_key.columns.keys()) == ["carrier"], f"{delays.primary_key}")
        others = (inspector.get_indexes("delays"), inspector.get_foreign_keys("delays"))
        expect(others == ([], []), f"{others}")

    def errors(self):
        error = refused("42601", lambda: rows(self.connection, "SELECT id\nFROM flights WHERE"))
        expect(error.diag.statement_position == "29", f"at {error.diag.statement_position}")
        refused("42703", lambda: rows(self.connection, "SELECT nothing FROM flights"))
        error = refused("42P01", lambda: rows(self.connection, "SELECT id FROM flihgts"))
        expect(error.diag.message_hint == "did you mean `flights`?", f"hint {error.diag.message_hint}")
        refused("0A000", lambda: rows(self.connection, "UPDATE flights SET id = 1"))
        expect(rows(self.connection, "SELECT 1") == [(1,)], "it does not go on")

    def transaction(self):
        with connect(autocommit=False) as other:
            expect(rows(other, "SELECT COUNT(*) FROM flights") == [(COUNT,)], "in a transaction")
            expect(other.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS, "no transaction")
            other.commit()
            refused("25001", lambda: other.execute("DROP VIEW late"))
            refused("25P02", lambda: rows(other, "SELECT 1"))
            other.rollback()
            expect(rows(other, "SELECT COUNT(*) FROM late")[0][0] > 0, "the view is gone")

    def read_after(self):
        self.connection.execute(
            "INSERT INTO delays SELECT carrier, COUNT(*) AS n FROM flights WHERE delay > 0 GROUP BY carrier"
        )
        for index in range(COUNT, COUNT + 20):
            ends = produce("flights", [{**flight(index), "carrier": "ZZ", "delay": 1}])
            self.connection.execute(f"SET levada.read_after = '{ends}'")
            found = rows(self.connection, "SELECT COUNT(*) FROM flights")
            expect(found == [(index + 1,)], f"{found[0][0]} of {index + 1} flights")
            found = rows(self.connection, "SELECT n FROM delays WHERE carrier = 'ZZ'")
            expect(found == [(index - COUNT + 1,)], f"{found} of {index - COUNT + 1} delays")
        self.connection.execute("SET statement_timeout = 500")
        self.connection.execute("SET levada.read_after = 'flights:0:1000000000'")
        refused("53000", lambda: rows(self.connection, "SELECT COUNT(*) FROM flights"))
        self.connection.execute("RESET ALL")

    def cancel(self):
        timer = threading.Timer(0.3, self.connection.cancel)
        timer.start()
        refused("57014", lambda: rows(self.connection, ENDLESS))
        timer.join()
        self.connection.execute("SET statement_timeout = '200ms'")
        refused("57014", lambda: rows(self.connection, ENDLESS))
        self.connection.execute("RESET statement_timeout")
        expect(rows(self.connection, "SELECT 1") == [(1,)], "it does not go on")

    def restart(self, tale):
        tale.restart()
        try:
            rows(self.connection, "SELECT 1")
            raise AssertionError("the connection outlived the server")
        except psycopg.OperationalError:
            self.connection = connect()
        found = rows(self.connection, "SELECT COUNT(*) FROM flights")
        expect(found == [(COUNT + 20,)], f"{found}")


def main():
    tale = Story("psycopg", psycopg.__version__)
    steps = Steps()
    names = "connect define select types parameters catalog errors transaction read_after cancel"
    for name in names.split():
        tale.step(name, getattr(steps, name))
    tale.step("restart", steps.restart, tale)
    tale.end()


main()
