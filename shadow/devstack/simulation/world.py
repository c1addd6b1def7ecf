"""The seeded world of the demo: requests, their users and times, and the replies of the two models.

Nothing here keeps state. A request is a function of (seed, index, time); a reply is a function of
(seed, role, content of the request, event time, attempt). So weeks of history can be generated at
once, and the HTTP servers of `shadow.devstack.model_servers.models` still answer consistently.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from shadow.devstack.simulation import accuracy, timeline, workloads
from shadow.devstack.simulation.seeded_random import draws, pick_weighted
from shadow.records import Reply, Role, Usage

_TASK_SHARES: Final = {"ticket-intent": 0.50, "invoice-fields": 0.30, "reply-draft": 0.20}
_LOCALE_SHARES: Final = {"en": 0.45, "de": 0.25, "fr": 0.18, "pt": 0.12}
_CAMPAIGN_LOCALE_SHARES: Final = {"en": 0.38, "de": 0.21, "fr": 0.15, "pt": 0.26}
_PLAN_SHARES: Final = {"free": 0.55, "pro": 0.33, "enterprise": 0.12}
_CHANNEL_SHARES: Final = {"email": 0.50, "chat": 0.35, "api": 0.15}

#: The segments that requests of this world declare; the last one only with a rollout.
SEGMENTS: Final = ("locale", "plan", "channel", "stage")

# The prompt holds the time of the request, as many real ones do; a simulated model has no other way
# to know it. The format keeps redaction from taking it for a telephone number.
_TIME_IN_PROMPT: Final = re.compile(r"Received (\d\d) (\w{3}) (\d{4}) at (\d\d)h(\d\d) UTC\.")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request of the simulated application, the model that serves it, and what is known about it."""

    index: int
    task: str
    at: datetime
    segment: dict[str, str]
    unit: str
    served_by: Role
    body: dict[str, Any]
    reference: str | None

    def headers(self) -> dict[str, str]:
        """The `x-shadow-*` headers that describe the request to the gateway."""
        segment = ",".join(f"{name}={value}" for name, value in self.segment.items())
        return {"x-shadow-task": self.task, "x-shadow-segment": segment, "x-shadow-unit": self.unit}


@dataclass(frozen=True, kw_only=True)
class World:
    """`now` is the end of the weeks of `timeline`. Without `rollout` the frontier serves all users."""

    now: datetime
    seed: int = 7
    rollout: bool = True

    def schedule(self, count: int, start: datetime, end: datetime) -> Iterator[datetime]:
        """`count` times in [start, end), in order, following the daily and weekly wave."""
        hours = max(1, math.ceil((end - start) / timedelta(hours=1)))
        width = (end - start) / hours
        weights = [traffic(start + hour * width) for hour in range(hours)]
        per_weight = count / math.fsum(weights)
        due, made = 0.0, 0
        for hour, weight in enumerate(weights):
            due += weight * per_weight
            wanted = count - made if hour == hours - 1 else round(due) - made
            for n in range(wanted):
                jitter = draws(self.seed, "time", made + n)[0]
                yield start + (hour + (n + jitter) / wanted) * width
            made += wanted

    def ask(self, index: int, at: datetime) -> Ask:
        """Request number `index`, made at `at`."""
        draw = draws(self.seed, "ask", index)
        task = pick_weighted(_TASK_SHARES, draw[0])
        is_late = at >= self.now - timeline.CAMPAIGN_LASTS
        locale = pick_weighted(_CAMPAIGN_LOCALE_SHARES if is_late else _LOCALE_SHARES, draw[1])
        user = int(2_000 * draw[2] ** 2)  # some users write far more often than others
        plan = pick_weighted(_PLAN_SHARES, draws(self.seed, "user", user)[0])
        channel = pick_weighted(_CHANNEL_SHARES, draw[3])
        details = draws(self.seed, "details", index)
        reference: str | None
        if task == "invoice-fields":
            text, reference = workloads.write_invoice(locale, details)
        else:
            text, reference = workloads.write_ticket(task, locale, details)
        system = f"{workloads.SYSTEM_PROMPTS[task]}\n{_written(at)}"
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        segment = {"locale": locale, "plan": plan, "channel": channel}
        served_by: Role = "frontier"
        if self.rollout and task == timeline.ROLLOUT_TASK:
            stage = timeline.stage(task, self.now - at)
            segment["stage"] = str(stage)
            served_by = timeline.server(task, f"user-{user}", stage)
        body: dict[str, Any] = {"model": accuracy.MODEL_NAMES[served_by], "messages": messages}
        if task == "invoice-fields":
            body["response_format"] = {"type": "json_object"}
        return Ask(
            index=index,
            task=task,
            at=at,
            segment=segment,
            unit=f"user-{user}",
            served_by=served_by,
            body=body,
            reference=reference,
        )

    def reply_of(self, role: Role, body: Mapping[str, Any], at: datetime, *, attempt: str = "served") -> Reply:
        """The reply of `role` to `body` at `at`; the same each time for the same arguments.

        At another `attempt` a model may answer differently, as real ones do. A time in the
        request's prompt takes precedence over `at`.
        """
        system, text = _prompt(body)
        at = _time_in(system) or at
        steady = draws(self.seed, role, system, text)
        fresh = draws(self.seed, role, system, text, at.timestamp(), attempt)
        reading = workloads.read(system, text)
        rates = accuracy.FAILURE_RATES[role]
        if reading is None:
            content = f"[{accuracy.MODEL_NAMES[role]}] {text[:200]}"
        else:
            drifted = timeline.drifts(reading.task, at, self.now)
            chance = accuracy.accuracy(role, reading.task, reading.locale, at, drifted=drifted)
            doubt = fresh[0] if fresh[1] < accuracy.RESAMPLED_SHARE else steady[0]
            content = workloads.answer(reading, right=doubt < chance, style=fresh[2:7])
            if reading.task == "invoice-fields" and steady[1] < rates.malformed:
                content = content[: len(content) * 2 // 3] + " …"
        reply = self._as_reply(role, content, prompt=system + text, fresh=fresh)
        if role == "candidate" and reading is not None:
            sure = accuracy.confidence(chance, doubt, draws(self.seed, "confidence", system, text)[0])
            reply = msgspec.structs.replace(reply, confidence=sure)
        if steady[2] < rates.refusal:
            return _refused(role, reply)
        if steady[2] > 1 - rates.truncated:
            return msgspec.structs.replace(
                reply, content=content[: len(content) // 2], finish_reason="length", failure="truncated"
            )
        return reply

    @staticmethod
    def _as_reply(role: Role, content: str, *, prompt: str, fresh: tuple[float, ...]) -> Reply:
        # About four characters a token, as for real tokenisers and these languages.
        usage = Usage(prompt_tokens=len(prompt) // 4 + 8, completion_tokens=len(content) // 4 + 1)
        slow = fresh[7] < accuracy.FAILURE_RATES[role].slow
        ttft, latency = accuracy.latency_ms(role, len(content) // 4 + 1, fresh[6], slow=slow)
        return Reply(
            model=accuracy.MODEL_NAMES[role],
            content=content,
            finish_reason="stop",
            usage=usage,
            latency_ms=latency,
            ttft_ms=ttft,
        )


def traffic(at: datetime) -> float:
    """The traffic at a time, relative to other times: high in office hours, low at weekends."""
    hour = at.hour + at.minute / 60
    day = 1.0 + 0.8 * math.sin((hour - 8) / 24 * 2 * math.pi)
    return day * (0.45 if at.weekday() >= 5 else 1.0)


def _refused(role: Role, reply: Reply) -> Reply:
    """A refusal: frontier APIs have a field for it, small models write it as text."""
    words = "I'm sorry, but I can't help with that."
    if role == "frontier":
        return msgspec.structs.replace(reply, content=None, refusal=words, failure="refusal")
    return msgspec.structs.replace(reply, content=words)


def _written(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"Received {at:%d} {_MONTHS[at.month - 1]} {at:%Y} at {at:%H}h{at:%M} UTC."


def _time_in(system: str) -> datetime | None:
    found = _TIME_IN_PROMPT.search(system)
    if found is None or found[2] not in _MONTHS:
        return None
    day, month, year, hour, minute = found.groups()
    try:
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), tzinfo=UTC)
    except ValueError:  # the 31st of February
        return None


def _prompt(body: Mapping[str, Any]) -> tuple[str, str]:
    """The system prompt and the last message of the user, from either API."""
    messages = body.get("messages", body.get("input", ""))
    system = _text(body.get("instructions"))
    if isinstance(messages, str):
        return system, messages
    text = ""
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping):
            if message.get("role") in ("system", "developer"):
                system = _text(message.get("content"))
            elif message.get("role") == "user":
                text = _text(message.get("content"))
    return system, text


def reading_of(body: Mapping[str, Any]) -> workloads.Reading | None:
    """The content of a request to either API; None for one that is not of this world."""
    return workloads.read(*_prompt(body))


def last_user_message(body: Mapping[str, Any]) -> str:
    """The last message of the user in a request to either API."""
    return _prompt(body)[1]


def _text(content: Any) -> str:
    match content:
        case str():
            return content
        case list():
            return "".join(_text(part.get("text")) for part in content if isinstance(part, Mapping))
        case _:
            return ""
