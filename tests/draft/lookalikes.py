"""Made-up files with the traits of public ones that people bring: nobody's data, everybody's habits."""

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from almanac.draft.draft import Wish
from almanac.draft.table import DeclaredForm
from tests.data.formats.workbook import Cell, make_workbook

START = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class LookAlike:
    """A file as somebody has it.

    Attributes:
        name: of the file.
        content: makes its bytes.
        wish: what a person says of it, who knows the data.
        rows: how many it holds.
        time: the declared time and its format, `key` what identifies a row.
        roles: columns and what each must be declared as, `not_features` those from which nothing is learned.
    """

    name: str
    content: Callable[[], bytes]
    wish: Wish
    rows: int
    time: tuple[str, str]
    key: tuple[str, ...]
    roles: dict[str, str] = field(default_factory=dict)
    not_features: tuple[str, ...] = ()


def _lines(header: str, rows: list[str], end: str = "\n") -> bytes:
    return end.join(([header] if header else []) + rows).encode() + end.encode()


def air_quality() -> bytes:
    """A row number, the time in four columns, NA in the label (at the start for a day) and a wind direction."""
    draw, rows = random.Random(1), []
    for hour in range(2000):
        at = START + timedelta(hours=hour)
        label = "NA" if hour < 24 or draw.random() < 0.05 else str(draw.randrange(5, 400))
        wind = draw.choice(["NW", "cv", "NE", "SE"])
        parts = f"{hour + 1},{at.year},{at.month},{at.day},{at.hour}"
        rows.append(f'{parts},{label},{draw.randrange(-20, 20)},"{wind}",{draw.random():.2f}')
    return _lines('"No","year","month","day","hour","pm2.5","DEWP","cbwd","Iws"', rows)


def retail() -> bytes:
    """Weeks of five stores, the day first, whose first days could be months."""
    draw, rows = random.Random(2), []
    for store in range(1, 6):
        for week in range(143):
            at = datetime(2010, 2, 5, tzinfo=UTC) + timedelta(weeks=week)
            rows.append(
                f"{store},{at:%d-%m-%Y},{draw.uniform(1e5, 2e6):.2f},{int(week % 26 == 1)},{draw.uniform(20, 99):.2f}"
            )
    return _lines("Store,Date,Weekly_Sales,Holiday_Flag,Temperature", rows)


def machines() -> bytes:
    """Events without an id, many a day, units in brackets, blanks, a label of two texts."""
    draw, rows = random.Random(3), []
    for number in range(2500):
        at = datetime(2021, 12, 31, tzinfo=UTC) - timedelta(days=number // 7)
        values = [f"{draw.uniform(20, 90):.6f}" if draw.random() > 0.01 else "" for _ in range(3)]
        failed = "Machine_Failure" if draw.random() < 0.4 else "No_Machine_Failure"
        rows.append(f"{at:%d-%m-%Y},Makino-L{number % 3 + 1}-Unit{number},{','.join(values)},{failed}")
    return _lines("Date,Machine_ID,Hydraulic_Pressure(bar),Coolant_Temperature(°C),Torque(Nm),Downtime", rows)


def occupancy() -> bytes:
    """Row names, as R writes them: the header has one field fewer than the rows; minutes; a label of 0 and 1."""
    draw, rows = random.Random(4), []
    for minute in range(1500):
        at = datetime(2015, 2, 4, 17, 51, tzinfo=UTC) + timedelta(minutes=minute)
        values = f"{draw.uniform(20, 24):.2f},{draw.uniform(400, 900):.1f},{int(minute % 90 < 30)}"
        rows.append(f'"{minute + 1}","{at:%Y-%m-%d %H:%M:%S}",{values}')
    return _lines('"date","Temperature","CO2","Occupancy"', rows, end="\r\n")


def fraud() -> bytes:
    """Seconds since the first row, several rows at some of them, 28 columns of numbers, a rare label."""
    draw, rows, second = random.Random(5), [], 0
    for number in range(1700):
        second += draw.choice([0, 1, 1, 2, 90])
        values = ",".join(f"{draw.gauss(0, 1):.6f}" for _ in range(3))
        rows.append(f"{second},{number},{values},{draw.uniform(0, 300):.2f},{int(draw.random() < 0.03)}")
    return _lines("Time,Id,V1,V2,V3,Amount,Class", rows)


def taxi() -> bytes:
    """Two plain columns, packed."""
    draw = random.Random(6)
    rows = [f"{START + timedelta(minutes=30 * n):%Y-%m-%d %H:%M:%S},{draw.randrange(8, 30000)}" for n in range(2000)]
    return gzip.compress(_lines("timestamp,value", rows))


def meter() -> bytes:
    """A spreadsheet of another country: a title, decimal commas, points between groups, cp1252, a footer."""
    draw, rows = random.Random(7), []
    for hour in range(900):
        at = START + timedelta(hours=hour)
        big = f"{draw.randrange(1000, 9_000_000):,}".replace(",", ".")
        warm = f"{draw.uniform(-9, 30):.1f}".replace(".", ",")
        rows.append(f"{at:%d.%m.%Y %H:%M};{warm};{big}")
    head = ["Zähler 7 - Straße", "", "Zeitpunkt;Außentemperatur;Verbrauch"]
    return "\r\n".join([*head, *rows, "", "Ende des Berichts"]).encode("cp1252") + b"\r\n"


def american() -> bytes:
    """Month first, twelve hours, quoted numbers with commas between groups, NULL for nothing."""
    draw, rows = random.Random(8), []
    for hour in range(900):
        at = START + timedelta(hours=hour)
        calls = f'"{draw.randrange(900, 1_500_000):,}"' if hour % 50 else "NULL"
        rows.append(f"{at:%m/%d/%Y %I:%M %p},{calls},{draw.choice(['NY', 'LA'])}")
    return _lines("When,Calls,City", rows)


def epoch() -> bytes:
    """Milliseconds since 1970, a sentinel for nothing, no header."""
    draw, rows = random.Random(9), []
    for minute in range(900):
        at = int((START + timedelta(minutes=minute)).timestamp() * 1000)
        rows.append(f"{at},{-999 if minute % 40 == 3 else round(draw.uniform(3, 9), 2)},{draw.randrange(2)}")
    return _lines("", rows)


def panel() -> bytes:
    """Day x shop x item, some of them closed on some days; a price that rises each month."""
    draw, rows = random.Random(10), []
    for day in range(300):
        at = START + timedelta(days=day)
        for shop in ("north", "south", "west"):
            for item in range(8):
                price = 100 * item + day // 30
                if draw.random() < 0.95:
                    rows.append(f"{at:%Y-%m-%d},{shop},{price},{item},{draw.randrange(0, 9)}")
    return _lines("date,store,price,item,sales", rows)


def payments() -> bytes:
    """Events with an id, several in a second, of customers that come again; a column that says the label itself."""
    draw, rows, second = random.Random(11), [], 0
    for number in range(3000):
        second += draw.choice([0, 0, 1, 5, 700])
        at = START + timedelta(seconds=second)
        scenario = draw.choice([0] * 30 + [1, 2, 3])
        who, amount = number % 900, f"{draw.uniform(1, 300):.2f}"
        rows.append(f"{900_000 + number},{at:%Y-%m-%d %H:%M:%S},{who},{amount},{int(scenario > 0)},{scenario}")
    return _lines("TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO", rows)


def orders() -> bytes:
    """The same as a program writes them: ids that are texts, in an object inside of each."""
    draw, rows = random.Random(12), []
    for number in range(1500):
        at = START + timedelta(minutes=7 * (number // 3))
        order = {"uuid": f"{draw.getrandbits(64):016x}", "lines": draw.randrange(1, 30)}
        late = draw.choice(["late", "in time", "in time"])
        rows.append(json.dumps({"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "order": order, "status": late}))
    return _lines("", rows)


def sheet() -> bytes:
    """A workbook: a time that Excel shows as one, numbers, a text with empty cells."""
    draw = random.Random(13)
    rows: list[list[Cell]] = [["Taken", "Level", "Kind"]]
    for hour in range(900):
        at = START.replace(tzinfo=None) + timedelta(hours=hour)
        rows.append([at, round(draw.uniform(0, 9), 2), draw.choice(["low", "high", None])])
    return make_workbook({"Data": rows})


def electricity() -> bytes:
    """A column for each of many houses, semicolons, decimal commas, a first column without a name."""
    draw, rows = random.Random(14), []
    for quarter in range(1200):
        at = START + timedelta(minutes=15 * quarter)
        values = ";".join(f"{draw.uniform(0, 300):.4f}".replace(".", ",") for _ in range(12))
        rows.append(f'"{at:%Y-%m-%d %H:%M:%S}";{values}')
    return _lines('"";' + ";".join(f'"MT_{n:03d}"' for n in range(1, 13)), rows)


LOOK_ALIKES = (
    LookAlike(
        "air.csv",
        air_quality,
        Wish("pm2.5"),
        2000,
        ("time", "%Y %m %d %H"),
        ("time",),
        {"pm2.5": "integer", "cbwd": "string", "Iws": "float"},
    ),
    LookAlike(
        "retail.csv",
        retail,
        Wish("Weekly_Sales", horizon=timedelta(weeks=1)),
        715,
        ("Date", "%d-%m-%Y"),
        ("Date", "Store"),
        {"Weekly_Sales": "float", "Holiday_Flag": "integer"},
    ),
    LookAlike(
        "machines.csv",
        machines,
        Wish("Downtime", equals="Machine_Failure"),
        2500,
        ("Date", "%d-%m-%Y"),
        ("Date", "Machine_ID"),
        {"Torque(Nm)": "float", "Downtime": "string"},
    ),
    LookAlike(
        "occupancy.txt",
        occupancy,
        Wish("Occupancy", equals="1"),
        1500,
        ("date", "iso"),
        ("date",),
        {"CO2": "float", "Occupancy": "string"},
    ),
    LookAlike(
        "fraud.csv",
        fraud,
        Wish("Class", equals="1"),
        1700,
        ("Time", "elapsed s"),
        ("Time", "Id"),
        {"V1": "float", "Class": "string"},
    ),
    LookAlike("taxi.csv.gz", taxi, Wish("value"), 2000, ("timestamp", "iso"), ("timestamp",), {"value": "integer"}),
    LookAlike(
        "METER.CSV",
        meter,
        Wish("Verbrauch"),
        900,
        ("Zeitpunkt", "%d.%m.%Y %H:%M"),
        ("Zeitpunkt",),
        {"Außentemperatur": "float", "Verbrauch": "float"},
    ),
    LookAlike(
        "calls.csv",
        american,
        Wish("Calls"),
        900,
        ("When", "%m/%d/%Y %I:%M %p"),
        ("When",),
        {"Calls": "float", "City": "string"},
    ),
    LookAlike(
        "epoch.csv",
        epoch,
        Wish("v", declared=DeclaredForm(names=("at", "v", "on"))),
        900,
        ("at", "epoch ms"),
        ("at",),
        {"v": "float", "on": "integer"},
    ),
    LookAlike(
        "panel.csv",
        panel,
        Wish("sales"),
        6869,
        ("date", "iso"),
        ("date", "store", "item"),
        {"sales": "integer", "store": "string"},
    ),
    LookAlike(
        "payments.csv",
        payments,
        Wish("TX_FRAUD", equals="1"),
        3000,
        ("TX_DATETIME", "iso"),
        ("TX_DATETIME", "TRANSACTION_ID"),
        {"TX_FRAUD": "string", "TX_AMOUNT": "float"},
        not_features=("CUSTOMER_ID", "TRANSACTION_ID", "TX_FRAUD_SCENARIO"),
    ),
    LookAlike(
        "orders.ndjson",
        orders,
        Wish("status", equals="late"),
        1500,
        ("at", "iso"),
        ("at", "order.uuid"),
        {"order.lines": "integer", "status": "string"},
        not_features=("order.uuid",),
    ),
    LookAlike("level.xlsx", sheet, Wish("Level"), 900, ("Taken", "iso"), ("Taken",), {"Level": "float"}),
    LookAlike(
        "LD2011.txt",
        electricity,
        Wish("MT_001"),
        1200,
        ("column_1", "iso"),
        ("column_1",),
        {"MT_001": "float", "MT_012": "float"},
    ),
)
