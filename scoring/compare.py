"""Compares one pair: do the replies agree, and did the user lose anything?

The live scorer and replay both use `scored(trial, task)`. It returns the trial as well, because
reading the replies may show that one of them is not an answer (a refusal written as text, no number
where a number was asked for), and failures are counted from `Reply.failure`. `compare` returns the
comparison alone.

A pair that cannot be compared is *unscored*, with the reason in one word, and never counts as
agreement or as disagreement:

    frontier_<failure>, candidate_<failure>   that reply is a failure; the frontier's comes first,
                                              because without it there is nothing to compare with
    not_sampled, expired, not_asked           there was no trial, and why
    ineligible:<reason>                       the model cannot serve such a request (`records.Ineligibility`)
    reply_cut                                 the served reply was too large to be kept whole
    candidate_not_recorded, …                 the file holds no such reply, and none was fetched
    meaning_<reason>                          the scorer cannot tell whether they say the same (`scorers.meaning`)
    unknown_scorer, scorer_misconfigured      the settings name a scorer or options that do not exist

Regret comes from the strongest source that the pair has, see `shadow.aggregates.regret_sources`;
without a source it is None.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from scoring import refusals
from scoring.scorers import SCORERS, Scorer, Uncomparable, Unreadable, name_for, scorer_problems
from scoring.scorers.meaning.fetched import FETCHED, Embeddings, Text, needed
from shadow.aggregates.regret_sources import both_arrived, net_by_source
from shadow.openai_api.replies import with_reasoning_apart
from shadow.policy import sampling
from shadow.policy.trials import REPLY_CUT
from shadow.records import (
    INELIGIBILITIES,
    INELIGIBLE,
    Comparison,
    Reply,
    Trial,
    arrived,
    candidate_reply,
    frontier_reply,
    was_cut,
)
from shadow.settings import TaskSettings

#: Decimal places of scores. Rounded, so that every machine adds up the same numbers.
PLACES: Final = 6


class _Scores(NamedTuple):
    """The result of a scorer; all None where it could not compare, with the reason in `unscored` if no reply failed."""

    agreement: float | None = None
    frontier_correct: float | None = None
    candidate_correct: float | None = None
    detail: dict[str, Any] = {}  # noqa: RUF012 - never changed
    unscored: str | None = None


def compare(
    trial: Trial, task: TaskSettings | None, *, scorer: str | None = None, embeddings: Embeddings | None = None
) -> Comparison:
    """The comparison of a pair. `scorer` overrides the task's own. Never raises on a model's text.

    `embeddings` are those of the texts that `texts_to_embed` names.
    """
    return scored(trial, task, scorer=scorer, embeddings=embeddings)[1]


def embedding_models(tasks: Mapping[str, TaskSettings], *, scorer: str | None = None) -> set[str]:
    """The names in [models] whose embeddings the scorers of `tasks` compare; `scorer` overrides the tasks' own."""
    specs = [spec for spec in tasks.values() if (scorer or name_for(spec)) == "meaning"]
    return {model for spec in specs if isinstance(model := spec.scorer_options.get("model"), str)}


def texts_to_embed(trial: Trial, task: TaskSettings | None, *, scorer: str | None = None) -> list[Text]:
    """The texts of which the scorer of this pair needs embeddings of an endpoint; mostly none."""
    if (scorer or name_for(task)) != "meaning" or task is None or "model" not in task.scorer_options:
        return []
    replies = with_reasoning_apart(trial.exchange.reply), with_reasoning_apart(trial.reply)
    contents = (*(reply.content for reply in replies), trial.exchange.reference)
    return list(needed(contents, _options("meaning", task)))


def scored(
    trial: Trial, task: TaskSettings | None, *, scorer: str | None = None, embeddings: Embeddings | None = None
) -> tuple[Trial, Comparison]:
    """The trial with its replies' failures filled in, and its comparison."""
    # Applications that mirror with an older version send reasoning and answer in one text.
    frontier = refusals.classified(with_reasoning_apart(frontier_reply(trial)))
    candidate = refusals.classified(with_reasoning_apart(candidate_reply(trial)))
    name = _scorer_name(frontier, candidate, task, scorer)
    scores = _Scores()
    unasked = _unasked_reason(trial, frontier, candidate)
    reason = unasked or _unscored_reason(frontier, candidate) or _misconfigured(name, task)
    if reason is None:
        options = _options(name, task)
        if embeddings is not None:
            options[FETCHED] = embeddings
        frontier, candidate, scores = _score(SCORERS[name], trial, frontier, candidate, options)
        reason = _unscored_reason(frontier, candidate) or scores.unscored
    read_trial = _with_replies(trial, frontier, candidate)
    if reason == REPLY_CUT:
        read_trial = _without_failure_of_the_copy(read_trial)
    nets = net_by_source(read_trial, scores)
    source = next(iter(nets), None)  # sources are ordered, strongest first
    net = None if source is None else nets[source]
    comparison = Comparison(
        scorer=name,
        agreement=scores.agreement,
        unscored=reason,
        frontier_correct=scores.frontier_correct,
        candidate_correct=scores.candidate_correct,
        regret=None if net is None else max(0.0, net),
        net_regret=net,
        regret_source=source,
        judge_rate=_judge_rate(read_trial, task) if unasked is None else None,
        detail=scores.detail,
    )
    return read_trial, comparison


def _scorer_name(frontier: Reply, candidate: Reply, task: TaskSettings | None, override: str | None) -> str:
    if override is not None:
        return override
    # Whether to call a tool is part of the answer, so the calls of one side are enough.
    return "tool_calls" if frontier.tool_calls or candidate.tool_calls else name_for(task)


def _options(name: str, task: TaskSettings | None) -> dict[str, Any]:
    """Those of the task's options that this scorer has; it may differ from the task's own scorer."""
    if task is None or not task.scorer_options:
        return {}
    known = SCORERS[name].options
    return {key: value for key, value in task.scorer_options.items() if key in known}


def _misconfigured(name: str, task: TaskSettings | None) -> str | None:
    if name not in SCORERS:
        return "unknown_scorer"
    if task is not None and task.scorer_options and scorer_problems(name_for(task), task.scorer_options):
        return "scorer_misconfigured"
    return None


def _score(
    scorer: Scorer, trial: Trial, frontier: Reply, candidate: Reply, options: dict[str, Any]
) -> tuple[Reply, Reply, _Scores]:
    """The replies and their scores; marks a reply as malformed if the scorer cannot read it."""
    frontier, ours = _read(scorer, trial, frontier, options)
    candidate, theirs = _read(scorer, trial, candidate, options)
    if frontier.failure is not None or candidate.failure is not None:
        return frontier, candidate, _Scores()
    try:
        agreement = _rounded(scorer.agree(ours, theirs, options))
    except Uncomparable as error:
        detail = {**scorer.differences(ours, theirs, options), **error.detail}
        return frontier, candidate, _Scores(unscored=error.reason, detail=detail)
    detail = {} if agreement == 1.0 else scorer.differences(ours, theirs, options)
    correct: list[float | None] = [None, None]
    if trial.exchange.reference is not None:
        try:
            right = scorer.read_reference(trial.exchange.reference, options)
            correct = [_rounded(scorer.agree(answer, right, options)) for answer in (ours, theirs)]
        except (Unreadable, Uncomparable) as error:
            detail = {**detail, "reference_unreadable": str(error)[:200]}
    return frontier, candidate, _Scores(agreement, correct[0], correct[1], detail)


def _read(scorer: Scorer, trial: Trial, reply: Reply, options: dict[str, Any]) -> tuple[Reply, Any]:
    """The reply and its answer; marks the reply as malformed if it has none."""
    try:
        return reply, scorer.read(reply, trial.exchange.request, options)
    except Unreadable as error:
        return msgspec.structs.replace(reply, failure="malformed", failure_detail=str(error)[:300]), None


def _unasked_reason(trial: Trial, frontier: Reply, candidate: Reply) -> str | None:
    """Why the two replies are no answers to the same request; None if they may be."""
    for reply in (candidate, frontier):
        if reply.failure == "ineligible":
            # Replies come from other processes and files, which could invent any number of reasons.
            return f"{INELIGIBLE}{reply.ineligible if reply.ineligible in INELIGIBILITIES else 'other'}"
    exchange = trial.exchange
    if not exchange.truncated or trial.reply.failure_detail == "not_sampled" or not arrived(exchange.reply.failure):
        return None
    if was_cut(exchange, "request"):
        return f"{INELIGIBLE}prompt_cut"
    return REPLY_CUT if was_cut(exchange, "reply") else None


def _without_failure_of_the_copy(trial: Trial) -> Trial:
    """`trial` without the failure of a served reply of which only our copy is not whole: the user got all of it."""
    reply = trial.exchange.reply
    if reply.failure != "truncated" or reply.finish_reason is not None:
        return trial
    reply = msgspec.structs.replace(reply, failure=None, failure_detail=None)
    return msgspec.structs.replace(trial, exchange=msgspec.structs.replace(trial.exchange, reply=reply))


def _unscored_reason(frontier: Reply, candidate: Reply) -> str | None:
    """The reason why a pair of replies is unscored; None if it can be compared."""
    if frontier.failure is None and candidate.failure is None:
        return None
    for side, reply in (("frontier", frontier), ("candidate", candidate)):
        match reply.failure, reply.failure_detail:
            case None, _:
                continue
            case "not_asked", "not_recorded":
                return f"{side}_not_recorded"
            case "not_asked", "not_sampled":
                return "not_sampled"
            case "not_asked", _:
                continue  # the other reply failed, and that is the reason
            case "expired", _:
                return "expired"
            case failure, _:
                return f"{side}_{failure}"
    return "not_asked" if "not_asked" in (frontier.failure, candidate.failure) else None


def _judge_rate(trial: Trial, task: TaskSettings | None) -> float | None:
    """The probability with which this pair was selected for the judge; None where it was not selected."""
    if task is None or task.judge is None or trial.kind == "ceiling" or trial.exchange.judge is not None:
        return None
    chosen = sampling.chosen(trial.exchange.id, rate=task.judge_rate, salt="judge")
    return task.judge_rate if chosen and both_arrived(trial) else None


def _with_replies(trial: Trial, frontier: Reply, candidate: Reply) -> Trial:
    served, other = (candidate, frontier) if trial.kind == "reverse" else (frontier, candidate)
    if served is trial.exchange.reply and other is trial.reply:
        return trial
    exchange = msgspec.structs.replace(trial.exchange, reply=served)
    return msgspec.structs.replace(trial, exchange=exchange, reply=other)


def _rounded(score: float) -> float:
    return round(score, PLACES)
