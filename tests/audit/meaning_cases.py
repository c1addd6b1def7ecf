"""Cases of the scorer `meaning`: texts that say the same in other words, and texts that differ in one thing only."""

import random
from collections.abc import Iterator
from typing import Final

from tests.audit.case import Case, say

NAMES: Final = ("Anna", "Ben", "Carla", "Dilip", "Emre", "Fatima", "Jones", "Smith", "Berlin", "Oslo", "Madrid", "Acme")
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = ("January", "March", "April", "June", "August", "October", "December")
NUMBERS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SIMILAR: Final = (
    ("buy", "purchase"), ("begin", "start"), ("children", "kids"), ("car", "automobile"), ("remove", "delete"),
    ("repair", "fix"), ("large", "big"), ("quick", "fast"), ("phone", "telephone"), ("picture", "photo"),
    ("difficult", "hard"), ("price", "cost"), ("film", "movie"), ("house", "home"), ("require", "need"),
)  # fmt: skip
USED: Final = (
    "You can {buy} the ticket at the counter.", "Please {begin} the update on your computer.",
    "The {children} are waiting in front of the school.", "Your {car} is ready at the garage.",
    "We {remove} old messages from the server every week.", "Our technicians {repair} the heating today.",
    "The order comes in a {large} box.", "You will get a {quick} answer from our team.",
    "Call us by {phone} about your contract.", "Attach a {picture} of the damaged screen.",
    "This is a {difficult} question about your taxes.", "The {price} of the plan depends on the number of seats.",
    "The {film} can be watched on any device.", "We deliver the furniture to your {house}.",
    "These accounts {require} a stronger password.",
)  # fmt: skip
PLAIN: Final = (
    "The parcel with your shoes leaves our warehouse in {city} on {day}.",
    "{name} booked a table for the team lunch at the restaurant in {city}.",
    "Your subscription ends on {day}, and the invoice goes to {name}.",
    "The flight to {city} leaves on {day} evening from the old terminal.",
    "{name} signed the rental contract and sent the keys to the office in {city}.",
    "Our office in {city} is open on {day} for customers with an appointment.",
)
OPENINGS: Final = ("", "Sure! ", "Hello, ", "Thanks! ", "Certainly, ")
EXCHANGED: Final = {
    "negation": (
        ("is open", "is not open"), ("leaves", "never leaves"), ("signed", "did not sign"), ("booked", "never booked"),
        ("ends", "does not end"),
    ),
    "opposites": (
        ("is open", "is closed"), ("leaves", "reaches"), ("sent", "received"), ("old", "new"), ("with", "without"),
        ("ends", "starts"), ("booked", "cancelled"), ("signed", "rejected"), ("evening", "morning"), ("on", "before"),
    ),
    "words": (
        ("shoes", "books"), ("lunch", "dinner"), ("invoice", "reminder"), ("flight", "train"), ("keys", "documents"),
        ("office", "shop"), ("contract", "petition"), ("customers", "suppliers"), ("table", "room"),
        ("parcel", "letter"),
    ),
}  # fmt: skip
UNITS: Final = (
    ("km", "miles"), ("kg", "pounds"), ("hours", "days"), ("days", "weeks"), ("euros", "dollars"), ("GB", "MB"),
    ("mg", "g"), ("minutes", "hours"), ("metres", "feet"), ("months", "years"), ("%", "euros"), ("MB", "GB"),
)  # fmt: skip
MEASURED: Final = (
    "The limit is {n} {unit} for each customer.", "You have {n} {unit} left on your account.",
    "The bag may hold {n} {unit} at most.", "It takes {n} {unit} from the station.",
)  # fmt: skip
ROLES: Final = (
    "{a} owes {b} the rent of the flat.", "{a} reports to {b} in the new team.",
    "The bank in {a} pays the bank in {b}.",
    "{a} was hired by {b} last summer.", "The train goes from {a} to {b}.",
)  # fmt: skip
TRANSLATED: Final = (
    ("The office is closed on {day} and you can call us.",
     "Das Büro ist am {day} geschlossen und Sie können uns anrufen."),
    ("We sent the invoice to {name}.", "Nous avons envoyé la facture à {name} pour vous."),
    ("Your parcel is at the post office in {city}.", "Su paquete está en la oficina de correos de {city}."),
    ("You can pay with your card.", "您可以用卡支付。"), ("You can pay with your card.", "Вы можете заплатить картой."),
)  # fmt: skip
#: The same in quite other words. The scorer is sure of few of them.
REWRITTEN: Final = (
    ("Your refund was approved and reaches your account in {n} days.",
     "We granted the refund. Expect the money within {n} days."),
    ("The parcel arrives on {day}.", "On {day} the package will be delivered."),
    ("{name} booked the table.", "The table was booked by {name}."),
    ("The shop in {city} is closed on {day}.", "On {day}, our {city} store does not open."),
    ("You can reset the password in the settings.",
     "To choose a new password, open the settings and pick the reset option."),
    ("The app crashes when it starts.", "Whenever one launches the application, it stops working."),
    ("Please send us the order number.", "Could you give us your order's number?"),
    ("{name} owes {n} euros.", "The debt of {name} amounts to {n} euros."),
    ("We do not ship to islands.", "Deliveries to islands are not possible."),
    ("You were charged twice by mistake.", "Due to an error, your card was charged twice."),
    ("The meeting was moved to {day}.", "We rescheduled the meeting; it is now on {day}."),
    ("{name} has not answered yet.", "We are still waiting for a reply from {name}; it has not come yet."),
    ("Your card was blocked after {n} wrong attempts.", "After {n} failed tries we locked your card."),
    ("I cannot log in.", "Logging in does not work for me."),
    ("The contract runs until {day}.", "{day} is the last day of the agreement."),
)  # fmt: skip


def meanings(chance: random.Random) -> Iterator[Case]:
    for kind, a, b, agree in (*_same(chance), *_changed(chance)):
        yield Case("meaning", kind, say(a), say(b), agree)


def _same(chance: random.Random) -> Iterator[tuple[str, str, str, bool]]:
    index = chance.randrange(len(USED))
    sentence, (one, other) = USED[index], SIMILAR[index]
    a, b = (sentence.replace(f"{{{one}}}", word) for word in (one, other))
    yield "other words", a, b, True
    plain, opening = _filled(chance.choice(PLAIN), chance), chance.choice(OPENINGS)
    dressed = chance.choice(("{}", "**{}**", "- {}", "{}\n", "> {}"))
    yield "openings and marks", plain, dressed.format(opening + plain.rstrip(".")), True
    number = chance.choice(NUMBERS)
    digits = str(NUMBERS.index(number) + 2)
    joined = "{} It isn't final, and you've got {} days to change it."
    full = "{} It is not final, and you have got {} days to change it."
    yield "numbers and contractions", joined.format(plain, number), full.format(plain, digits), True
    one, other = (_filled(text, random.Random(index)) for text in chance.choice(REWRITTEN))
    yield "rewritten", one, other, True


def _changed(chance: random.Random) -> Iterator[tuple[str, str, str, bool]]:
    around = _filled(chance.choice(PLAIN), chance) if chance.random() < 0.5 else ""
    for kind, pairs in EXCHANGED.items():
        one, other = chance.choice(pairs)
        template = chance.choice([text for text in PLAIN if f" {one} " in text])
        plain = _filled(template, chance)
        yield kind, plain, plain.replace(f" {one} ", f" {other} ", 1), False
    for kind, values in (("names", NAMES), ("dates", DAYS), ("dates", MONTHS)):
        one, other = chance.sample(values, 2)
        text = "The meeting about the budget with {} is in the large room." if kind == "names" else "It is due in {}."
        yield kind, f"{around} {text.format(one)}", f"{around} {text.format(other)}", False
    one, other = chance.sample(NUMBERS, 2)
    n, m = chance.sample(range(2, 5_000), 2)
    yield "numbers", f"{around} You get {one} free trials.", f"{around} You get {other} free trials.", False
    yield "numbers", f"{around} The order has {n} items.", f"{around} The order has {m} items.", False
    measured, (unit, wrong) = chance.choice(MEASURED), chance.choice(UNITS)
    yield "units", measured.format(n=n, unit=unit), measured.format(n=n, unit=wrong), False
    a, b = chance.sample(NAMES, 2)
    roles = chance.choice(ROLES)
    yield "roles", f"{around} {roles.format(a=a, b=b)}", f"{around} {roles.format(a=b, b=a)}", False
    english, foreign = chance.choice(TRANSLATED)
    seed = chance.random()
    yield "languages", _filled(english, random.Random(seed)), _filled(foreign, random.Random(seed)), False


def _filled(text: str, chance: random.Random) -> str:
    name, city, day, n = (
        chance.choice(NAMES[:6]),
        chance.choice(NAMES[8:11]),
        chance.choice(DAYS),
        chance.randrange(2, 30),
    )
    return text.format(name=name, city=city, day=day, n=n)
