"""Which other models are asked about an exchange: the shadow, ceiling and reverse trials.

shadow   the frontier served the exchange: every candidate is asked
ceiling  of a share of these exchanges, the frontier is asked a second time
reverse  the candidate served the exchange: of a share, the frontier is asked

Shares are sampled by consistent hashes of the exchange's id, so a message that is delivered twice
gets the same trials twice.

Every exchange has at least one trial. If no model is to be asked, the trial gives the reason in
`unasked`, because an exchange without a trial could not be distinguished from a lost one.
"""

from dataclasses import dataclass
from typing import Final

from shadow.errors import WireError
from shadow.policy.sampling import chosen
from shadow.records import Exchange, Failure, TrialKind, was_cut
from shadow.settings import Settings, TaskSettings

#: Failures after which there is no served answer to compare with. A refused, truncated or empty answer
#: is not one of them: it is behaviour of the model, and whether the other model does the same is evidence.
NOTHING_SERVED: Final[frozenset[Failure]] = frozenset(
    {"timeout", "endpoint_error", "rate_limited", "rejected", "interrupted", "malformed"}
)

#: Why no model is asked if the served reply was too large to be kept whole: there is nothing to compare with.
REPLY_CUT: Final = "reply_cut"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedTrial:
    """One planned trial. `model` is the name in [models] of the model to ask.

    `inclusion_probability` is the probability, in (0, 1], that this pair exists. `unasked` is the
    reason why no model is asked, or None: `not_sampled`, `reply_cut` or `served_<failure>`.
    """

    kind: TrialKind
    candidate: str
    model: str
    inclusion_probability: float
    unasked: str | None = None


def trials_for(exchange: Exchange, settings: Settings) -> tuple[PlannedTrial, ...]:
    """The trials of one exchange, at least one.

    Raises WireError: `unknown_task` if the task is not in the settings, `no_candidate` if it has no candidates.
    """
    task = settings.tasks.get(exchange.task)
    if task is None:
        raise WireError("unknown_task", f"task {exchange.task!r} is not in [tasks]")
    failure = exchange.reply.failure
    unasked = f"served_{failure}" if failure in NOTHING_SERVED else None
    if unasked is None and was_cut(exchange, "reply") and not was_cut(exchange, "request"):
        unasked = REPLY_CUT
    if exchange.served_by == "candidate":
        return (_reverse(exchange, task, settings, unasked),)
    planned = tuple(
        PlannedTrial(
            kind="shadow",
            candidate=name,
            model=name,
            inclusion_probability=exchange.inclusion_probability,
            unasked=unasked,
        )
        for name in task.candidates
    )
    if unasked is None and chosen(exchange.id, rate=task.ceiling_rate, salt="ceiling"):
        planned += (_ceiling(exchange, task),)
    if not planned:
        raise WireError("no_candidate", f"task {exchange.task!r} names no candidates")
    return planned


def _ceiling(exchange: Exchange, task: TaskSettings) -> PlannedTrial:
    return PlannedTrial(
        kind="ceiling",
        candidate=task.frontier,
        model=task.frontier,
        inclusion_probability=exchange.inclusion_probability * task.ceiling_rate,
    )


def _reverse(exchange: Exchange, task: TaskSettings, settings: Settings, unasked: str | None) -> PlannedTrial:
    sampled = chosen(exchange.id, rate=task.regret_rate, salt="regret")
    share = task.regret_rate if sampled else 1 - task.regret_rate
    return PlannedTrial(
        kind="reverse",
        candidate=_served_candidate(exchange, task, settings),
        model=task.frontier,
        inclusion_probability=exchange.inclusion_probability * share,
        unasked=unasked if sampled else "not_sampled",
    )


def _served_candidate(exchange: Exchange, task: TaskSettings, settings: Settings) -> str:
    """The name in [models] of the candidate that was served, else the name it gave itself."""
    model = exchange.reply.model
    matching = [name for name in task.candidates if model in (name, settings.sent_name(name))]
    if not matching and len(task.candidates) == 1:
        return task.candidates[0]  # endpoints may report another name, with a date or a path
    return matching[0] if matching else model
