"""How units and currencies are written beside their symbols and codes, in several languages."""

from typing import Final

#: Symbol of a unit: words, compared without case. A unit may have several lines.
UNITS: Final = """
m: meter meters metre metres mètre mètres metro metros metri метр метра метров 米 メートル 미터
g: gram grams gramme grammes gramm gramo gramos grama gramas grammi грамм грамма граммов 克 グラム 그램
s: second seconds sec secs sekunde sekunden seconde secondes segundo segundos secondo secondi секунда секунды секунд
s: 秒 초
min: minute minutes mins minuten minuto minutos minuti минута минуты минут 分钟 分鐘 分間 분
h: hour hours hr hrs stunde stunden heure heures hora horas ora ore час часа часов 小时 小時 時間 시간
day: day days tag tage tagen jour jours día días dia dias giorno giorni день дня дней 天 日間 일간
week: week weeks wk wks woche wochen semaine semaines semana semanas settimana settimane неделя недели недель 周 週間 주
month: month months monat monate monaten mois mes meses mese mesi месяц месяца месяцев 个月 個月 ヶ月 개월
year: year years yr yrs jahr jahre jahren an ans année années año años ano anos anno anni год года лет 年間
decade: decade decades jahrzehnt jahrzehnte
century: century centuries jahrhundert jahrhunderte siècle siècles
km: kilometer kilometers kilometre kilometres kilomètre kilomètres kilómetro kilómetros quilômetros chilometri
km: километр километра километров 公里 千米 キロメートル 킬로미터
cm: centimeter centimeters centimetre centimetres centimètres centímetros zentimeter 厘米 センチメートル 센티미터
mm: millimeter millimeters millimetre millimetres 毫米 ミリメートル
nm: nanometer nanometers nanometre nanometres 纳米
µm: micrometer micrometers micron microns
dm: decimeter decimeters decimetre decimetres dezimeter
inch: inch inches zoll pouce pouces pulgada pulgadas 英寸 インチ
ft: foot feet fuß pied pieds pie pies 英尺
yd: yard yards
mi: mile miles meile meilen milla millas mille_marin миля мили миль 英里 マイル
nmi: nautical_mile
ly: light-year light-years lightyear lightyears
pc: parsec parsecs
acre: acre acres
ha: hectare hectares hektar 公顷
kg: kilogram kilograms kilogramme kilogrammes kilogramm kilo kilos kilogramo kilogramos килограмм килограмма
kg: килограммов 公斤 千克 キログラム 킬로그램
mg: milligram milligrams milligramm 毫克
µg: microgram micrograms mcg
t: tonne tonnes tonnen тонна тонны тонн 吨
oz: ounce ounces
lb: lbs
st: stones
l: liter liters litre litres litro litros litri литр литра литров 升 リットル 리터
ml: milliliter milliliters millilitre millilitres 毫升
gal: gallon gallons
qt: quart quarts
pt: pint pints
cup: cup cups
tbsp: tablespoon tablespoons
tsp: teaspoon teaspoons
ms: millisecond milliseconds
bit: bit bits
byte: byte bytes
kB: kilobyte kilobytes
MB: megabyte megabytes
GB: gigabyte gigabytes
TB: terabyte terabytes
PB: petabyte petabytes
Mb: megabit megabits
Gb: gigabit gigabits
kb: kilobit kilobits
kph: kmh
mph:
kn: knot knots
%: percent pct prozent procent procento por_ciento процент процента процентов 퍼센트 パーセント
bp: bps_ basis_points
V: volt volts
A: ampere amperes amp amps
W: watt watts
kW: kilowatt kilowatts
MW: megawatt megawatts
J: joule joules
kJ: kilojoule kilojoules
kcal: kilocalorie kilocalories
cal: calorie calories kalorien
Hz: hertz
kHz: kilohertz
MHz: megahertz
GHz: gigahertz
N: newton newtons
Pa: pascal pascals
kPa: kilopascal kilopascals
mol: mole moles
ohm: ohms
F: farad farads
T: tesla teslas
rad: radian radians
°: degree degrees deg degs grad graden degrés grados градусов 度
hp: horsepower
kWh: kilowatt-hour kilowatt-hours
pounds: pound pounds
tons: ton tons
mmHg:
turns: revolution revolutions
¢: cent cents
pence: pence penny
"""
#: Code of a currency: signs and words beside the code, compared without case.
CURRENCIES: Final = """
USD: $ US$ dollar dollars bucks 美元
EUR: € euro euros 欧元
GBP: £ 英镑
JPY: yen 円 日元 엔
CNY: yuan rmb cn¥ 元 人民币 块
INR: ₹ rs rs. rupee rupees रुपये
KRW: ₩ won 원
CHF: francs franken
RUB: ₽ ruble rubles rouble roubles рубль рубля рублей руб
TRY: ₺ lira
VND: ₫ dong đồng
PHP: ₱
BTC: ₿ bitcoin bitcoins
UAH: ₴
NGN: ₦ naira
ILS: ₪ shekel shekels
CRC: ₡
THB: ฿ baht บาท
KZT: ₸
PLN: zł złoty złotych
CZK: kč koruna korun
SEK:
NOK:
DKK:
HUF: forint ft_
AUD: a$ au$
CAD: c$ ca$
HKD: hk$
NZD: nz$
SGD: s$ sg$
TWD: nt$
MXN: mx$
BRL: r$ reais real
ETH:
ZAR: rand
AED: dirham dirhams
SAR: riyal riyals
IDR: rupiah
peso: peso pesos
kr: kr kr. kronor kroner kronen
¥: ¥
"""


def names(table: str) -> dict[str, list[str]]:
    """The words of each line's unit or currency."""
    found: dict[str, list[str]] = {}
    for line in table.strip().splitlines():
        name, _, words = line.partition(":")
        found.setdefault(name, []).extend(words.casefold().split())
    return found
