"""Words whose difference an embedding does not see: mostly English, and the commonest of other languages."""

from collections.abc import Mapping
from typing import Final


def _list(text: str) -> list[str]:
    return text.split()


def _words(text: str) -> frozenset[str]:
    return frozenset(_list(text))


#: Words that carry nothing by themselves: they may come and go. Every other word needs a counterpart.
EMPTY: Final = _words(
    "a an the this that these those it its there here is are was were be been being am has have had do does did "
    "of and so then also too please just very really well sure certainly yes ok okay hello hi thanks thank "
    "which as"
)

#: Words with a small vector whose exchange changes what is said: they must be the same in both texts.
EXACT: Final = _words(
    # where and when
    "on off in out into onto up down over under above below before after behind inside outside through around across "
    "between against toward towards from to near beside away by with at upward upwards downward downwards forward "
    "forwards backward backwards left right north south east west top bottom early earlier late later now soon already "
    "yet still until till since during while yesterday today tomorrow "
    "january february april june july august september october november december morning evening night midnight noon "
    # units whose names are alike, and pairs of persons
    "bytes kb mb gb tb kilobytes megabytes gigabytes terabytes http https husband wife man woman boy girl "
    # how much and how often
    "all some only most any every each few many several more less fewer least half first last next other another same "
    "always often sometimes usually rarely again maximum minimum max min "
    # may and must
    "can could may might must should shall will would "
    # if and because
    "if unless though although but or when where who whom whose why how than because "
    # whose
    "i you he she we they me him her us them my your his our their mine yours ours theirs himself herself"
)

#: Negations, in the commonest languages.
NEGATIONS: Final = _words(
    "not no never none nobody nothing nowhere without neither nor cannot cant dont doesnt didnt isnt arent "
    "wasnt werent wont wouldnt couldnt shouldnt hasnt havent hardly barely fail fails failed refuse refuses refused "
    "nicht kein keine keinen keinem keiner keines nie niemals niemand nichts ohne weder "
    "pas jamais aucun aucune rien sans ni non "
    "nunca jamás nadie nada ningún ninguna ninguno sin tampoco "
    "mai nessuno nessuna niente nulla senza né não nem ninguém nenhum nenhuma sem niet geen nooit zonder "
    "nigdy bez не нет ни никогда без ikke inte ingen aldrig"
)

#: Beginnings and endings that turn a word into its opposite.
OPPOSITE_PREFIXES: Final = ("un", "in", "im", "ir", "il", "dis", "non", "mis", "de", "anti", "counter", "en", "ex")
OPPOSITE_SUFFIXES: Final = (("ful", "less"),)

_ONES: Final = _list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = _list("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS: Final = _list("second third fourth fifth sixth seventh eighth ninth tenth")

#: Numbers in words, as digits. "one", "first" and the like are left out, because they are often no number.
NUMBERS: Final[Mapping[str, str]] = {
    **{word: str(n) for n, word in enumerate(_ONES) if word != "one"},
    **{word: str(10 * n) for n, word in enumerate(_TENS, 2)},
    **{word: str(n) for n, word in enumerate(_ORDINALS, 2)},
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
    "billion": "1000000000",
    "dozen": "12",
    "once": "1x",
    "twice": "2x",
    "thrice": "3x",
    "both": "2",
    "double": "2x",
    "triple": "3x",
    "quarter": "1/4",
    "zwei": "2",
    "drei": "3",
    "vier": "4",
    "fünf": "5",
    "sechs": "6",
    "sieben": "7",
    "acht": "8",
    "neun": "9",
    "zehn": "10",
    "elf": "11",
    "zwölf": "12",
    "hundert": "100",
    "tausend": "1000",
    "deux": "2",
    "trois": "3",
    "quatre": "4",
    "cinq": "5",
    "sept": "7",
    "huit": "8",
    "neuf": "9",
    "dix": "10",
    "dos": "2",
    "tres": "3",
    "cuatro": "4",
    "cinco": "5",
    "seis": "6",
    "siete": "7",
    "ocho": "8",
    "nueve": "9",
    "diez": "10",
    "cento": "100",
    "cien": "100",
    "mil": "1000",
    "mille": "1000",
}

#: Frequent words that show in which language a text is written.
LANGUAGES: Final[Mapping[str, frozenset[str]]] = {
    "en": _words("the and is are of to you your we it that this with for have will be was not"),
    "de": _words("der die das und ist sind nicht sie wir ihr ihre mit für auf ein eine wird wurde den dem"),
    "fr": _words("le les des et est sont vous nous votre pour avec dans une qui pas sur au aux du cette"),
    "es": _words("el los las y es son su usted para con por una que se del al está hemos"),
    "it": _words("il gli e è sono lei per con di una che si del della nel abbiamo suo"),
    "pt": _words("o os as é são você para com uma que não do da no na em seu sua"),
    "nl": _words("het een en zijn niet je uw wij met voor van op dat wordt is"),
    "pl": _words("jest są nie się na w z do że i to twój dla"),
    "sv": _words("och är inte du vi med för på att en ett den det har"),
}
