"""A model as a judge of which of two replies is better: asked, read strictly, paid for, and compared with people.

render        a pair as text: request and replies, invisible characters made visible, bounded in length
prompt        the question around that text, and the digest under which its verdict is cached
answer        the judge's answer, read strictly
judge         one model as a judge: both orders of the replies, and parameters that simple endpoints accept
pricing       what a call may cost before it is made, and what it did cost
budgeted      batches judged within a budget, with verdicts cached and saved in a store
calibration   a judge compared with people
scorer_agreement   scorers compared with people

Why a judge is no scorer: a scorer is a pure function of a pair, free, and gives the same figure on every
machine. A judge is asked over a network, costs money that may be spent for the day, may be down, and may
answer differently next year. So it works beside the scorer, on pairs that are stored already: nothing waits
for it, its verdict is one more source of regret, and a pair that it could not judge is *unjudged*, never a
tie. It is the weakest source (a person's label outranks it), and a judge alone never raises traffic.

The texts that a judge reads were written by strangers. Five things keep them from deciding its verdict: every
text stands between marker lines with a random word that occurs in none of them; the instruction not to obey
these texts comes before and after them; the answer must have a fixed format; each pair is asked twice with
the replies' positions swapped, and where the position decided, the verdict is a tie; and people's labels show
how often the judge is wrong nevertheless.
"""

from scoring.judge.budgeted import Budget, JudgedBatch, JudgeRequest, VerdictStore, judge_batch
from scoring.judge.judge import (
    MAX_ATTEMPTS,
    CostMeter,
    Judge,
    JudgeFailure,
    Judgement,
    JudgeVerdict,
    judge_without_asking,
)
from scoring.judge.pricing import NANOS_PER_USD, Price, price_of
from scoring.judge.prompt import digest
from scoring.judge.render import Question, build_question

__all__ = [
    "MAX_ATTEMPTS",
    "NANOS_PER_USD",
    "Budget",
    "CostMeter",
    "Judge",
    "JudgeFailure",
    "JudgeRequest",
    "JudgeVerdict",
    "JudgedBatch",
    "Judgement",
    "Price",
    "Question",
    "VerdictStore",
    "build_question",
    "digest",
    "judge_batch",
    "judge_without_asking",
    "price_of",
]
