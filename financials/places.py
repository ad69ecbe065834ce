"""Where the demo's companies are and how they are called: real places, usual trades and legal forms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.utils.text import slugify


class Place(NamedTuple):
    """A town with one of its post codes."""

    city: str
    county: str
    post_code: str


@dataclass(frozen=True)
class Country:
    """What tells the companies of one country from those of another."""

    code: str
    locale: str
    currency_code: str
    weight: int
    phone: str
    mobile_phone: str
    places: Sequence[Place]
    trades: Sequence[str]
    company_names: Sequence[str]
    job_titles: Sequence[str]


NORWAY: Final = Country(
    code="NO",
    locale="no_NO",
    currency_code="",
    weight=60,
    phone="+47 %# ## ## ##",
    mobile_phone="+47 9## ## ###",
    places=(
        Place("Oslo", "Oslo", "0155"),
        Place("Bergen", "Vestland", "5003"),
        Place("Trondheim", "Trøndelag", "7010"),
        Place("Stavanger", "Rogaland", "4006"),
        Place("Ålesund", "Møre og Romsdal", "6002"),
        Place("Tromsø", "Troms", "9008"),
        Place("Bodø", "Nordland", "8006"),
        Place("Kristiansand", "Agder", "4610"),
        Place("Drammen", "Buskerud", "3015"),
        Place("Fredrikstad", "Østfold", "1607"),
        Place("Tønsberg", "Vestfold", "3110"),
        Place("Hamar", "Innlandet", "2317"),
        Place("Gjøvik", "Innlandet", "2815"),
        Place("Molde", "Møre og Romsdal", "6413"),
        Place("Haugesund", "Rogaland", "5525"),
        Place("Førde", "Vestland", "6800"),
        Place("Ås", "Akershus", "1430"),
        Place("Steinkjer", "Trøndelag", "7713"),
        Place("Alta", "Finnmark", "9510"),
        Place("Narvik", "Nordland", "8514"),
    ),
    trades=(
        "Bygg",
        "Eiendom",
        "Elektro",
        "Fiskeeksport",
        "Hotell",
        "Industri",
        "Interiør",
        "Kjøkken",
        "Kontormøbler",
        "Maskin",
        "Møbler",
        "Regnskap",
        "Rør og Varme",
        "Sjømat",
        "Trelast",
        "Verft",
    ),
    company_names=(
        "{surname} {trade} AS",
        "{surname} {trade} AS",
        "{city} {trade} AS",
        "{surname} & {other} AS",
        "{surname} & Sønner {trade} AS",
        "{surname}gruppen {city} AS",
    ),
    job_titles=(
        "Daglig leder",
        "Innkjøpssjef",
        "Økonomisjef",
        "Salgssjef",
        "Prosjektleder",
        "Lagersjef",
        "Regnskapsfører",
    ),
)
USA: Final = Country(
    code="US",
    locale="en_US",
    currency_code="USD",
    weight=25,
    phone="+1 (%##) 555-01##",
    mobile_phone="+1 (%##) 555-01##",
    places=(
        Place("Seattle", "WA", "98101"),
        Place("Portland", "OR", "97204"),
        Place("San Diego", "CA", "92101"),
        Place("Denver", "CO", "80202"),
        Place("Austin", "TX", "78701"),
        Place("Minneapolis", "MN", "55401"),
        Place("Chicago", "IL", "60601"),
        Place("Boston", "MA", "02108"),
        Place("Atlanta", "GA", "30303"),
        Place("Cañon City", "CO", "81212"),
    ),
    trades=(
        "Builders",
        "Consulting",
        "Electric",
        "Furniture",
        "Hardware",
        "Interiors",
        "Logistics",
        "Marine",
        "Office Supply",
        "Seafood",
        "Systems",
    ),
    company_names=(
        "{surname} {trade}, Inc.",
        "{surname} {trade} LLC",
        "{city} {trade}, Inc.",
        "{surname} & {other} LLC",
        "{surname} Brothers {trade}",
    ),
    job_titles=(
        "Chief Executive Officer",
        "Purchasing Manager",
        "Controller",
        "Office Manager",
        "Project Manager",
        "Operations Manager",
    ),
)
GERMANY: Final = Country(
    code="DE",
    locale="de_DE",
    currency_code="EUR",
    weight=15,
    phone="+49 %## #######",
    mobile_phone="+49 17# #######",
    places=(
        Place("Berlin", "Berlin", "10115"),
        Place("Hamburg", "Hamburg", "20095"),
        Place("München", "Bayern", "80331"),
        Place("Köln", "Nordrhein-Westfalen", "50667"),
        Place("Düsseldorf", "Nordrhein-Westfalen", "40213"),
        Place("Nürnberg", "Bayern", "90402"),
        Place("Lübeck", "Schleswig-Holstein", "23552"),
        Place("Göttingen", "Niedersachsen", "37073"),
        Place("Dresden", "Sachsen", "01067"),
        Place("Freiburg", "Baden-Württemberg", "79098"),
    ),
    trades=(
        "Bürobedarf",
        "Elektrotechnik",
        "Fischhandel",
        "Großhandel",
        "Holzbau",
        "Küchen",
        "Logistik",
        "Maschinenbau",
        "Möbel",
        "Spedition",
    ),
    company_names=(
        "{surname} {trade} GmbH",
        "{surname} {trade} GmbH & Co. KG",
        "{surname} & {other} OHG",
        "{surname} & Söhne {trade} KG",
        "{trade} {city} GmbH",
    ),
    job_titles=(
        "Geschäftsführung",
        "Leitung Einkauf",
        "Leitung Vertrieb",
        "Buchhaltung",
        "Projektleitung",
        "Lagerleitung",
    ),
)
COUNTRIES: Final = (NORWAY, USA, GERMANY)

_LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def ascii_slug(text: str) -> str:
    """TEXT as a part of an internet address: Blåbær & Sønn AS → blabaer-sonn-as."""
    return slugify(text.lower().translate(_LETTERS))
