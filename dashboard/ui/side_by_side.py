"""One pair in full: the request, both replies with what differs marked, and what was made of it.

Everything a model or a caller wrote goes through `st.code`, which shows text as it is, or
through `diff.marked`, which escapes it.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import streamlit as st

from dashboard.data import config, state
from dashboard.ui import diff, filters
from dashboard.ui.text import dollars, milliseconds, moment, percent, plain, words
from shadow.records import Comparison, Reply, Trial, candidate_reply, frontier_reply
from shadow.store.read.pairs import StoredPair

#: How model text looks wherever `diff.marked` puts it.
STYLE: Final = """<style>
.shadow-reply {
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 32rem; overflow-y: auto;
  margin: 0; padding: 0.8rem 1rem; border-radius: 0.5rem;
  font-size: 0.87rem; line-height: 1.55; background: rgba(135, 148, 168, 0.12);
}
.shadow-reply mark { color: inherit; background: rgba(233, 151, 63, 0.38); border-radius: 0.2rem; }
</style>"""


def show(pair: StoredPair) -> None:
    trial, comparison = pair.trial, pair.comparison
    with st.container(border=True):
        _head(trial, comparison)
        if not pair.payload_kept:
            st.info(
                "Retention has taken the words; times, costs, failures and scores remain.",
                icon=":material/auto_delete:",
            )
        else:
            _request(trial.exchange.request)
        _replies(trial, kept=pair.payload_kept)
        if comparison.detail:
            with st.expander("What the scorer noted", icon=":material/rule:"):
                st.code(diff.visible(_json(comparison.detail)), language="json", wrap_lines=True)


def _head(trial: Trial, comparison: Comparison) -> None:
    exchange = trial.exchange
    with st.container(horizontal=True, vertical_alignment="center"):
        if comparison.agreement is None:
            st.badge(f"unscored: {plain(words(comparison.unscored or 'unknown'))}", color="gray")
        else:
            disagrees = comparison.agreement < config.disagreement_below(exchange.task)
            st.badge(f"agreement {percent(comparison.agreement)}", color="orange" if disagrees else "green")
        if comparison.regret is not None:
            source = plain(comparison.regret_source or "unknown")
            st.badge(f"regret {comparison.regret:.2f} by {source}", color="red" if comparison.regret > 0 else "green")
        if trial.kind != "shadow":
            st.badge(trial.kind, color="blue")
        filters.mark_simulated(exchange.task, trial.candidate)
        st.caption(
            f"{moment(exchange.at)} · scored by {plain(comparison.scorer)} · {plain(exchange.id)}", width="content"
        )
    segment = ", ".join(f"{name} = {value}" for name, value in sorted(exchange.segment.items()))
    if segment:
        st.caption(plain(segment))


def _request(request: Mapping[str, Any]) -> None:
    messages = request.get("messages") or request.get("input") or []
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    with st.expander("Request", icon=":material/input:", expanded=True):
        for message in messages:
            role = message.get("role") if isinstance(message, Mapping) else None
            content = message.get("content") if isinstance(message, Mapping) else message
            st.caption(plain(str(role or "message")))
            st.code(
                diff.visible(content if isinstance(content, str) else _json(message)), language=None, wrap_lines=True
            )
        rest = {key: value for key, value in request.items() if key not in ("messages", "input")}
        if rest:
            st.caption("parameters")
            st.code(diff.visible(_json(rest)), language="json", wrap_lines=True)


def _replies(trial: Trial, *, kept: bool) -> None:
    frontier, candidate = frontier_reply(trial), candidate_reply(trial)
    texts = diff.readable(frontier), diff.readable(candidate)
    view = state.switch("view", "Replies", ("what differs", "as text")) if kept else "as text"
    marked = diff.segments(*texts)
    st.html(STYLE)
    for column, name, reply, text, pieces in zip(
        st.columns(2), ("Frontier", "Candidate"), (frontier, candidate), texts, marked, strict=True
    ):
        with column:
            served = " · served" if reply is trial.exchange.reply else ""
            st.markdown(f"**{name}**{served}")
            st.caption(_facts(reply))
            if not text:
                st.caption("No text." if kept else "No longer kept.")
            elif view == "as text":
                st.code(diff.visible(text), language=None, wrap_lines=True)
            else:
                st.html(diff.marked(pieces))


def _facts(reply: Reply) -> str:
    facts = [plain(reply.model)] if reply.model else []
    facts += [milliseconds(reply.latency_ms)] if reply.latency_ms is not None else []
    facts += [dollars(reply.cost_usd)] if reply.cost_usd is not None else []
    facts += [f"finish {plain(reply.finish_reason)}"] if reply.finish_reason else []
    if reply.failure:
        detail = f" ({plain(reply.failure_detail)})" if reply.failure_detail else ""
        facts.append(f"**failed: {words(reply.failure)}**{detail}")
    return " · ".join(facts)


def _json(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)
