"""English-like sentences for the kinds that carry prose: words repeat as in real ones, whole
phrases seldom do.
"""

import random

_SUBJECTS = """
I I we we you they somebody everyone nobody it this that Anna Marc
""".split()
_NOUNS = """
answer api backup bill branch browser budget bug build button cable call certificate change
channel client cluster coffee column comment commit config container contract copy customer
dashboard data database deadline deploy design device disk document draft email endpoint error
estimate experiment feature feedback field file filter fix flight form function graph header
holiday idea image index invoice issue job key keyboard label language latency laptop lead library
licence limit link list log login lunch machine mail manager meeting memory menu message meter
migration minute mistake model module month network node note number office order package page
paper parser password patch payment person phone picture pipeline plan platform plugin policy pool
prefix price printer problem process product project proposal protocol proxy query question queue
quota rack reason record region release replica report request result retry review role room
router rule sample scale schedule schema screen script search server service session setting setup
shipment signal size slide snapshot socket source space speaker sprint stack staging story stream
string summary supplier support table target task team template terminal test thread ticket
timeout title token tool topic trace traffic train translation trip tunnel update upgrade user
value vendor version video view volume warning website week window workflow workshop zone
""".split()
_ADJECTIVES = """
actual available bad big blue broken busy central cheap clean common complete correct current cold
different difficult early easy empty entire exact expensive external fast final fine first free
fresh full funny good great green half hard heavy hidden huge important internal large last late
local long main missing monthly narrow new next nice noisy obvious odd official old open original
other own partial perfect plain possible previous primary private public quick quiet rare real
recent red remote right rough safe same second serious shared short similar simple single slow
small special stable strange strict strong temporary tiny total unexpected unusual upper useful
usual visible warm weekly weird wrong
""".split()
_VERBS = """
accepted added answered approved asked blocked booked broke built called cancelled changed checked
closed compared copied created debugged deleted deployed dropped expected explained fixed followed
forgot found got ignored imported kept left liked lost made measured mentioned merged met missed
moved needed noticed opened ordered paid planned posted printed promised pushed read received
reconnected renamed replaced reported restarted returned reviewed rewrote rolled said saved saw
sent shipped showed signed started stopped switched tested thought tried turned understood updated
used wanted watched wrote
""".split()
_ADVERBS = """
again already almost always apparently exactly finally honestly immediately just later luckily
maybe mostly never now only often perhaps probably quickly quietly really recently sadly simply
sometimes soon still suddenly today together tomorrow tonight twice usually yesterday
""".split()
_PREPOSITIONS = """
about after at before behind between by for from in into near on over since to under with
""".split()
_DETERMINERS = """
the the the the a a our my your this that every some another
""".split()
_JOINS = """
and but because so while although if until when
""".split()


def sentence(rng: random.Random) -> str:
    """One sentence of 3 to 30 words."""
    clauses = [_clause(rng)]
    while rng.random() < 0.3 and len(clauses) < 3:
        clauses += [rng.choice(_JOINS), _clause(rng)]
    text = " ".join(clauses)
    end = "?" if rng.random() < 0.12 else "!" if rng.random() < 0.08 else "."
    return text[0].upper() + text[1:] + end


def paragraph(rng: random.Random, sentences: int) -> str:
    """Several sentences, separated by spaces."""
    return " ".join(sentence(rng) for _ in range(sentences))


def _clause(rng: random.Random) -> str:
    words = [rng.choice(_SUBJECTS) if rng.random() < 0.6 else _noun_phrase(rng)]
    if rng.random() < 0.35:
        words.append(rng.choice(_ADVERBS))
    words += [rng.choice(_VERBS), _noun_phrase(rng)]
    if rng.random() < 0.45:
        words += [rng.choice(_PREPOSITIONS), _noun_phrase(rng)]
    return " ".join(words)


def _noun_phrase(rng: random.Random) -> str:
    words = [rng.choice(_DETERMINERS)]
    if rng.random() < 0.4:
        words.append(rng.choice(_ADJECTIVES))
    return " ".join([*words, _common(rng, _NOUNS)])


def _common(rng: random.Random, words: list[str]) -> str:
    """A word, a few of them far more often than the rest, as in any conversation."""
    return words[min(int(rng.expovariate(5) * len(words)), len(words) - 1)]
