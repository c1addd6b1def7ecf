"""One pair in full: the request, and both replies with what differs marked.

Everything that a model or a caller wrote goes through `st.code`, which shows text as it is, or
through `diff.marked`, which escapes it.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import streamlit as st

from dashboard.data import config
from dashboard.ui import diff, filters, selection
from dashboard.ui.text import dollars, escape_markdown, humanize, milliseconds, percent, timestamp, whole
from shadow.records import Comparison, Reply, Trial, candidate_reply, frontier_reply, is_failure
from shadow.store.read.pairs import StoredPair


def show(pair: StoredPair) -> None:
    trial, comparison = pair.trial, pair.comparison
    with st.container(border=True):
        _head(trial, comparison)
        if not pair.payload_kept:
            st.info(
                "The texts were deleted at the end of their retention; times, costs, failures and scores remain.",
                icon=":material/auto_delete:",
            )
        else:
            _request(trial.exchange.request)
        _replies(trial, kept=pair.payload_kept)
        if comparison.detail:
            with st.expander("Scorer details", icon=":material/rule:"):
                st.code(diff.visible(_json(comparison.detail)), language="json", wrap_lines=True)


def _head(trial: Trial, comparison: Comparison) -> None:
    exchange = trial.exchange
    with st.container(horizontal=True, vertical_alignment="center"):
        if comparison.agreement is None:
            st.badge(f"unscored: {escape_markdown(humanize(comparison.unscored or 'unknown'))}", color="gray")
        else:
            disagrees = comparison.agreement < config.agreement_threshold(exchange.task)
            st.badge(f"agreement {percent(comparison.agreement)}", color="orange" if disagrees else "green")
        if comparison.regret is not None:
            source = escape_markdown(comparison.regret_source or "unknown")
            st.badge(f"regret {comparison.regret:.2f} by {source}", color="red" if comparison.regret > 0 else "green")
        if trial.kind != "shadow":
            st.badge(trial.kind, color="blue")
        filters.simulated_badge(exchange.task, trial.candidate)
        st.caption(
            f"{timestamp(exchange.at)} · scored by {escape_markdown(comparison.scorer)} · "
            f"{escape_markdown(exchange.id)}",
            width="content",
        )
    segment = ", ".join(f"{name} = {value}" for name, value in sorted(exchange.segment.items()))
    if segment:
        st.caption(escape_markdown(segment))


def _request(request: Mapping[str, Any]) -> None:
    messages = request.get("messages") or request.get("input") or []
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    with st.expander("Request", icon=":material/input:", expanded=True):
        for message in messages:
            role = message.get("role") if isinstance(message, Mapping) else None
            content = message.get("content") if isinstance(message, Mapping) else message
            st.caption(escape_markdown(str(role or "message")))
            st.code(
                diff.visible(content if isinstance(content, str) else _json(message)), language=None, wrap_lines=True
            )
        rest = {key: value for key, value in request.items() if key not in ("messages", "input")}
        if rest:
            st.caption("parameters")
            st.code(diff.visible(_json(rest)), language="json", wrap_lines=True)


def _replies(trial: Trial, *, kept: bool) -> None:
    frontier, candidate = frontier_reply(trial), candidate_reply(trial)
    texts = diff.reply_text(frontier), diff.reply_text(candidate)
    view = selection.switch("view", "Replies", ("what differs", "as text")) if kept else "as text"
    marked = diff.segments(*texts)
    st.html(diff.STYLE)
    for column, name, reply, text, pieces in zip(
        st.columns(2), ("Frontier", "Candidate"), (frontier, candidate), texts, marked, strict=True
    ):
        with column:
            served = " · served" if reply is trial.exchange.reply else ""
            st.markdown(f"**{name}**{served}")
            st.caption(_facts(reply))
            if not text:
                st.caption("No text." if kept else "Deleted.")
            elif view == "as text":
                st.code(diff.visible(text), language=None, wrap_lines=True)
            else:
                st.html(diff.marked(pieces))
            _reasoning(reply)


def _reasoning(reply: Reply) -> None:
    """The reply's reasoning, folded away: it is neither scored nor judged."""
    tokens = reply.usage.reasoning_tokens if reply.usage else None
    if not (reply.reasoning or tokens):
        return
    title = "Reasoning" if tokens is None else f"Reasoning: {whole(tokens)} tokens"
    with st.expander(title, icon=":material/psychology:"):
        if reply.reasoning:
            st.code(diff.visible(diff.cut(reply.reasoning)), language=None, wrap_lines=True)
        else:
            st.caption("The endpoint counts these tokens and does not show the text.")


def _facts(reply: Reply) -> str:
    facts = [escape_markdown(reply.model)] if reply.model else []
    facts += [milliseconds(reply.latency_ms)] if reply.latency_ms is not None else []
    facts += [f"first token {milliseconds(reply.ttft_ms)}"] if reply.ttft_ms is not None else []
    facts += [_confidence(reply)] if reply.confidence is not None or reply.confidence_reason else []
    facts += [dollars(reply.cost_usd)] if reply.cost_usd is not None else []
    facts += [f"finish {escape_markdown(reply.finish_reason)}"] if reply.finish_reason else []
    if reply.failure:
        detail = f" ({escape_markdown(reply.failure_detail)})" if reply.failure_detail else ""
        kind = humanize(reply.failure)
        facts.append(f"**{f'failed: {kind}' if is_failure(reply.failure) else kind}**{detail}")
    return " · ".join(facts)


def _confidence(reply: Reply) -> str:
    """The confidence with what else is known of the tokens, or why there is none."""
    if reply.confidence is None:
        return f"no confidence: {humanize(reply.confidence_reason or '')}"
    found = f"confidence {percent(reply.confidence)}"
    tokens = reply.token_probabilities
    if tokens is None:
        return found
    quantiles = ", ".join(percent(share) for share in (tokens.q0, tokens.q10, tokens.q25, tokens.q50))
    margin = "" if tokens.least_margin is None else f", least margin {percent(tokens.least_margin)}"
    return f"{found} ({whole(tokens.n)} tokens; least, 10%, 25%, 50%: {quantiles}{margin})"


def _json(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
