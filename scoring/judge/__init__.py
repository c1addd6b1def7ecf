"""A model asked which of two replies is better: the question, the answer read, and what it is worth.

    render        a pair as text: request and replies, invisible characters made visible, bounded
    prompt        the question around that text, and the digest by which its verdict is remembered
    answer        what the model said, read strictly
    judge         both orders, and the fallbacks of simple endpoints
    pricing       what a question may cost before it is asked, and did cost afterwards
    calibration   the judge held against people

Why this is no scorer: a scorer is a pure function of a pair, free, and gives the same figure on
every machine. A judge is asked over a network, costs money that may be spent for the day, may be
down, and may say another thing next year. So it works beside the scorer, on pairs that are
stored already: nothing waits for it, what it says is one more source of regret, and a pair it
could not judge is *unjudged*, never a tie. It is the weakest source (a person's label outranks
it), and a judge alone never raises traffic.

What a judge reads was written by strangers. Five things stand between their words and its
verdict: every text stands between marker lines with a random word that occurs in none of them;
the instruction not to obey what stands there comes before and after; the reply comes in a fixed
shape; each pair is asked twice with the replies' places exchanged, and where the place decided,
the verdict is a tie; and people's labels tell how often the judge is wrong all the same.
"""

from scoring.judge.judge import MAX_ATTEMPTS, CostMeter, Judge, JudgeFailure, Judgement, JudgeVerdict, free
from scoring.judge.pricing import NANOS_PER_USD, Price, price_of
from scoring.judge.prompt import digest
from scoring.judge.render import Question, build_question

__all__ = [
    "MAX_ATTEMPTS",
    "NANOS_PER_USD",
    "CostMeter",
    "Judge",
    "JudgeFailure",
    "JudgeVerdict",
    "Judgement",
    "Price",
    "Question",
    "build_question",
    "digest",
    "free",
    "price_of",
]
