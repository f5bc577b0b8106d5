"""The story of PostgreSQL's clients for psql."""

import subprocess

from flights import COUNT, CREATE, HOST, ODDS, PORT, flight, produce
from story import NotApplicable, Story, expect

#: More work than anybody waits for.
ENDLESS = """SELECT COUNT(*) FROM flights a, flights b, flights c, flights d
    WHERE a.delay < b.delay AND b.delay < c.delay AND c.delay < d.delay"""


def run(*commands, options=("-A", "-t", "-q")):
    """Runs psql with these commands; answers its status, and what it said."""
    words = [word for command in commands for word in ("-c", command)]
    target = ["-h", HOST, "-p", PORT, "-U", "story", "-d", "levada", "-X", "-v", "ON_ERROR_STOP=1"]
    done = subprocess.run(["psql", *target, *options, *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def psql(*commands, **options):
    """What psql prints of commands that succeed."""
    status, printed, errors = run(*commands, **options)
    expect(status == 0, f"{commands}: status {status}: {errors[-300:]}")
    return printed


def lines(*commands):
    return psql(*commands).splitlines()


def refused(*commands, state=None):
    """What psql says of a command that is refused."""
    status, _, errors = run("\\set VERBOSITY verbose", *commands)
    expect(status == 1, f"{commands}: status {status}: {errors[-300:]}")
    expect(state is None or f"ERROR:  {state}:" in errors, f"not {state}: {errors[-300:]}")
    return errors


def connect():
    version = psql("SHOW server_version").strip()
    found = lines("SELECT current_user, current_database(), current_schema()")
    expect(found == ["story|levada|public"], f"{found}")
    expect('database "levada" as user "story"' in psql("\\conninfo"), "no \\conninfo")
    return version


def define():
    psql(*CREATE)
    refused(CREATE[0], state="42P07")
    expect(lines("SHOW TABLES") == ["delays", "flights", "late", "odds"], "SHOW TABLES")
    psql('CREATE VIEW "Gone" AS SELECT "id" FROM "flights"; DROP VIEW "Gone"')
    produce("flights", map(flight, range(COUNT)))
    produce("odds", ODDS, partition=0)


def select():
    expect(lines("SELECT COUNT(*), MIN(fare), MAX(id) FROM flights") == [f"{COUNT}|0.50|999"], "of flights")
    found = lines("SELECT id, delay FROM late ORDER BY id DESC LIMIT 2", "SELECT 'x' AS \"X\"")
    expect(found == ["959|49", "958|48", "x"], f"{found}")
    printed = psql("SELECT id, carrier FROM flights WHERE id = 7", options=())
    expect(printed == " id | carrier \n----+---------\n  7 | WN\n(1 row)\n\n", f"{printed!r}")


def types():
    found = lines("\\pset null NULL", "SELECT * FROM odds")
    wanted = (
        "t|-7|300|70000|5000000000|1.5|2.25e-07|-12.340|ä'\"\\ x|\\x00ff|2024-02-29|12:34:56.789"
        "|2024-02-29 12:34:56.123456|2024-02-29 12:34:56.789+00|[1,null]"
    )
    expect(found == [wanted, "|".join(["NULL"] * 15)], f"{found}")


def parameters():
    raise NotApplicable("psql 15 sends no parameters")


def catalog():
    expect([line.split("|")[1:3] for line in lines("\\d")] == [
        ["delays", "table"], ["flights", "table"], ["late", "view"], ["odds", "table"],
    ], "\\d")  # fmt: skip
    expect([line.split("|")[1] for line in lines("\\dv")] == ["late"], "\\dv")
    expect([line.split("|")[1] for line in lines("\\dt fl*")] == ["flights"], "\\dt fl*")
    expect(lines("\\dn") == ["public|story"], "\\dn")
    expect(lines("\\l")[0].startswith("levada|story|UTF8|"), "\\l")
    described = psql("\\d flights", options=())
    for wanted in ['Table "public.flights"', " fare    | numeric(10,2) |"]:
        expect(wanted in described, f"\\d flights: {described}")
    described = psql("\\d delays", options=())
    for wanted in [" carrier | text   |           | not null |", '"delays_pkey" PRIMARY KEY, btree (carrier)']:
        expect(wanted in described, f"\\d delays: {described}")
    expect("SELECT id, carrier, delay FROM flights WHERE delay > 30" in psql("\\d+ late", options=()), "\\d+ late")
    for command in ["\\du", "\\di", "\\dp", "\\df", "\\dT", "\\dx", "\\db", "\\dt+", "\\l+", "\\sv late"]:
        psql(command)
    expect(run("\\d nothing")[0] == 1, "\\d nothing")


def errors():
    said = refused("SELECT id\nFROM flights WHERE", state="42601")
    expect("LINE 2: FROM flights WHERE\n" in said and " " * 26 + "^" in said, f"{said}")
    said = refused("SELECT id FROM flihgts", state="42P01")
    expect("HINT:  did you mean `flights`?" in said and "LINE 1: SELECT id FROM flihgts" in said, f"{said}")
    refused("SELECT nothing FROM flights", state="42703")
    refused("UPDATE flights SET id = 1", state="0A000")
    status, printed, _ = run("SELECT 1; SELECT nothing FROM flights; SELECT 2")
    expect((status, printed) == (1, "1\n"), f"status {status}, {printed!r}")


def transaction():
    expect(lines("BEGIN", "SELECT COUNT(*) FROM flights", "COMMIT") == [str(COUNT)], "a transaction")
    refused("BEGIN", "DROP VIEW late", state="25001")
    refused("BEGIN ISOLATION LEVEL SERIALIZABLE", state="0A000")


def read_after():
    psql("INSERT INTO delays SELECT carrier, COUNT(*) AS n FROM flights WHERE delay > 0 GROUP BY carrier")
    for index in range(COUNT, COUNT + 5):
        ends = produce("flights", [{**flight(index), "carrier": "ZZ", "delay": 1}])
        found = lines(
            f"SET levada.read_after = '{ends}'",
            "SELECT COUNT(*) FROM flights",
            "SELECT n FROM delays WHERE carrier = 'ZZ'",
        )
        expect(found == [str(index + 1), str(index - COUNT + 1)], f"{found} at {index}")
    refused("SET statement_timeout = 500", "SET levada.read_after = 'flights:0:1000000000'", "SELECT * FROM flights")


def cancel():
    refused("SET statement_timeout = '200ms'", ENDLESS, state="57014")


def restart(tale):
    tale.restart()
    expect(lines("SELECT COUNT(*) FROM flights") == [str(COUNT + 5)], "after the restart")


def main():
    version = subprocess.run(["psql", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    tale = Story("psql", version)
    for step in (connect, define, select, types, parameters, catalog, errors, transaction, read_after, cancel):
        tale.step(step.__name__, step)
    tale.step("restart", restart, tale)
    tale.end()


main()
