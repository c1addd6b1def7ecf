"""How each number is computed: one text per measure, and the popover that shows it.

Written for people who run models and are not statisticians: what the number is, how it is
computed, what it does not include, and the paper that proves the method. Papers are named and not
linked, so that a page requests nothing from other servers.
"""

from dataclasses import dataclass
from typing import Final

import streamlit as st


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The explanation of one measure. `what` is one sentence, the tooltip; `paper` is empty for plain counting."""

    title: str
    what: str
    how: str
    excludes: str
    paper: str = ""


_ANYTIME_VALID: Final = "The 95% interval stays valid however often, and whenever, you look."

MEASURES: Final[dict[str, Explanation]] = {
    "agreement": Explanation(
        title="Agreement",
        what="How often the two replies mean the same for this task, from 0 to 100%.",
        how="The mean over the scored pairs, each weighted by 1 / its probability of being sampled, so that it stands "
        f"for all of the traffic and not for what was sampled most. {_ANYTIME_VALID}",
        excludes="Pairs that could not be scored: they are counted separately, never as agreement and never as 0.",
        paper="Howard, Ramdas, McAuliffe & Sekhon 2021 (equal probabilities); Waudby-Smith & Ramdas 2024, Theorem 3 "
        "(scores, unequal probabilities)",
    ),
    "ceiling": Explanation(
        title="Ceiling and excess disagreement",
        what="How often the frontier agrees with itself, and how much more the candidate disagrees than that.",
        how="The frontier answers some exchanges a second time. Its agreement with itself is the ceiling: no other "
        "model can be expected to agree with it more. On exactly those exchanges the excess is the candidate's "
        "disagreement minus the frontier's own, pair by pair, so that hard questions count on both sides. "
        f"{_ANYTIME_VALID}",
        excludes="Exchanges that have only one of the two answers. An excess whose interval contains 0 is no "
        "difference.",
        paper="Waudby-Smith & Ramdas 2024, Theorem 3, on paired differences",
    ),
    "regret": Explanation(
        title="Regret",
        what="How much worse the candidate's reply is than the frontier's, by people, right answers or a judge; 0 is "
        "as good or better.",
        how="Each source is counted separately: people's labels, right answers, a judge's verdicts. The headline is "
        "of the strongest source with enough pairs. Each pair is weighted by 1 / (its probability of being sampled × "
        f"its probability of being labelled or judged). {_ANYTIME_VALID}",
        excludes="Disagreement. Where two replies differ the candidate may be the one that is right, and where they "
        "agree both may be wrong. Pairs without a label, a right answer or a verdict are not included either.",
        paper="Howard et al. 2021; Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2024 (unequal probabilities)",
    ),
    "net_regret": Explanation(
        title="Net regret",
        what="Regret minus its mirror image: how much better the candidate was where it was better.",
        how="Below 0 the candidate is the better one on the whole. Loss and gain each get an interval at half the "
        "error, and the difference of their bounds bounds the difference.",
        excludes="Ties: they count as 0 on both sides.",
    ),
    "sources": Explanation(
        title="Sources of regret",
        what="A person's label is the strongest source, then the right answer, then a judge model.",
        how="Regret of each source, from the pairs that the source covers. κ (kappa) measures how far the judge "
        "agrees with people beyond chance: 0 is chance, 1 is always. AC1 measures the same and stays meaningful "
        "where one answer is rare. The judge sees each pair twice with the replies swapped; where the two answers "
        "contradict each other, the verdict is a tie.",
        excludes="A judge alone never raises traffic.",
        paper="Cohen 1960; Gwet 2008",
    ),
    "over_time": Explanation(
        title="Regret over time",
        what="Regret of each period, and of everything since the start of the window.",
        how="Dots and the blue band are one period each, by the time of the request (UTC), with that period's own "
        "interval. The grey line adds up the periods since the start of the window and narrows as data comes in. "
        "Its intervals stay valid however often you look, so you may act at any point of it.",
        excludes="Periods with too few pairs are small grey dots outside the band; the grey line includes them.",
        paper="Howard et al. 2021; Waudby-Smith & Ramdas 2024",
    ),
    "served": Explanation(
        title="Served by the candidate",
        what="The observed share of traffic that the candidate answered.",
        how="Pairs whose exchange the candidate served, over all pairs, each weighted by 1 / its probability of being "
        "sampled. A change of stage is where most of the traffic of a period has another `stage` than before.",
        excludes="Exchanges that were not mirrored, except through the weights.",
    ),
    "sampled": Explanation(
        title="What was sampled",
        what="How many pairs the figures are based on, and with which probability they were sampled.",
        how="A pair sampled with a probability of 5% stands for 20 exchanges. The smallest probability decides how "
        "wide the interval has to be; the typical one is 1 / the mean weight. Labelled and judged shares are of "
        "these pairs.",
        excludes="Estimates of the probabilities: each is stored with its pair at the moment of sampling.",
    ),
    "segments": Explanation(
        title="Segments",
        what="Which parts of the traffic are worse, worst first, with a bound on false flags.",
        how="Each segment collects evidence (an e-value) that its regret is above the task's limit or, where regret is "
        "unknown, that it disagrees more than the rest. e-BH flags as many segments as possible while at most the "
        "configured share of the flags is expected to be wrong, at any look and although segments overlap. q is the "
        "smallest such share at which this segment would be flagged.",
        excludes="A verdict on segments with few pairs: *not enough data* does not mean that they are fine.",
        paper="Wang & Ramdas 2022, Theorem 2; Ramdas, Ruf, Larsson & Koolen 2022 (against the rest)",
    ),
    "worst_crossing": Explanation(
        title="Worst crossing",
        what="The combination of up to three dimensions in which the candidate does worst.",
        how="A hash of their ids splits the exchanges into two halves. All crossings are searched on one half; the "
        "worst few are then tested on the other half, which took no part in the search. Only crossings that this "
        "test confirms are flagged.",
        excludes="Crossings that were found but not confirmed: among many crossings some are the worst by chance. "
        "Also pairs with a very small sampling probability: to include them, all others would have to be thinned out "
        "to that probability.",
        paper="Sagadeeva & Boehm 2021 (the search)",
    ),
    "crossing": Explanation(
        title="Two dimensions crossed",
        what="Agreement where two dimensions meet, and the number of pairs.",
        how="The mean agreement of the pairs in each field, stored by the day: a window includes every day it touches.",
        excludes="A percentage for grey fields: they have too few pairs.",
    ),
    "shift": Explanation(
        title="Shift",
        what="How far two windows differ, from 0 (the same) to 1 (nothing in common).",
        how="Mixes of a dimension: Jensen-Shannon distance. Lengths and latencies: the largest gap between the "
        "two cumulative distributions (Kolmogorov-Smirnov), and the factor by which values changed. The p-value "
        "comes from 999 random permutations of the pooled pairs, and q from correcting all p-values together, "
        "so that at most 5% of what is called shifted is expected to be chance. With a million exchanges "
        "every difference is beyond chance, so an effect under 0.1 is called too small to matter.",
        excludes="Whether the change is good or bad. Shift explains; it raises no alarm.",
        paper="Lin 1991; Benjamini & Hochberg 1995",
    ),
    "text_shift": Explanation(
        title="Words of the requests",
        what="Whether a classifier can tell by its words which window a request is from.",
        how="Up to 1,000 stored requests of each window, evenly over time. A small model is trained on half of them "
        "to separate the windows and tested on the other half: 0 is guessing, 1 is always right. Its "
        "strongest words show what changed.",
        excludes="Requests whose text was deleted at the end of its retention, and word order beyond two neighbours.",
        paper="Lopez-Paz & Oquab 2017; Mann & Whitney 1947",
    ),
    "where_more": Explanation(
        title="Is the candidate worse there?",
        what="Agreement and regret in what became more frequent, against the rest of the current window.",
        how="The value whose share grew most is compared with all other values of its dimension. It is called "
        "worse, or better, when the 95% interval of the difference excludes 0.",
        excludes="Latencies and output lengths: agreement and regret are not stored by them.",
    ),
    "unscored": Explanation(
        title="Unscored",
        what="Share of pairs that no scorer could score, with the reason.",
        how="A reply failed or cannot be parsed, or the request lacks what the scorer needs.",
        excludes="Unscored pairs never count as 0, nor as agreement. Exchanges that sampling left out are not among "
        "the pairs here.",
    ),
    "eligible": Explanation(
        title="Eligible",
        what="Whether the candidate could serve the request at all: its API, tools, images and length, and no state "
        "that only the frontier's server keeps.",
        how="By what shadow.toml declares of the model, and by the errors of its endpoint. A request that is not "
        "eligible is neither a failure of the candidate nor a disagreement.",
        excludes="Pairs that sampling left out.",
    ),
    "prices": Explanation(
        title="Latency, cost, failures",
        what="The median (p50) and the 99th percentile (p99) of the times to the last byte, and the mean cost of a "
        "call.",
        how="Quantiles are read from stored histograms, within 4.5%. Cost is tokens times price, where both are known.",
        excludes="Calls whose endpoint sent no token count: they are left out of the cost, not counted as free.",
    ),
    "week": Explanation(
        title="Hour and weekday",
        what="Agreement by hour of the week, UTC, over the whole window.",
        how="The last row adds up all weekdays, and the last column all hours: they have enough pairs long before "
        "the single fields do.",
        excludes="Grey fields: they have too few pairs.",
    ),
    "trend": Explanation(
        title="Agreement over time",
        what="Mean agreement of the pairs of each day or hour, by the time of the request (UTC).",
        how=f"The band is each point's own interval. {_ANYTIME_VALID}",
        excludes="Grey dots: they have too few pairs. Choose days instead of hours, or a larger segment.",
        paper="Howard et al. 2021; Waudby-Smith & Ramdas 2024",
    ),
    "counts": Explanation(
        title="Pairs and failures",
        what="Plain counts by the time of the request.",
        how="A failed reply is missing or cannot be parsed; failures are counted by kind. An unscored pair has no "
        "score.",
        excludes="Failures are never counted as disagreement.",
    ),
    "ledger": Explanation(
        title="Where every exchange went",
        what="Two sums that must add up: no exchange is lost without being counted.",
        how="*Accepted*: chosen by sampling and handed to the publisher. *Mirrored*: seen on the topic. "
        "*Compared*: both replies scored. *Unscored*: answered, but not scored. *Not eligible*: the candidate cannot "
        "serve such a request. *Dead-lettered*: could not be processed, and stored for inspection. *Expired*: too old "
        "when its turn came. *In flight*: no outcome yet.",
        excludes="The window: these counts start when the database was set up.",
    ),
    "labelling": Explanation(
        title="Which pairs are offered for labelling",
        what="A random sample of the pairs of the last week, with a probability that depends on the pair's stratum.",
        how="Half of the day's labels go to pairs that the judge calls worse and half to the others; where no verdict "
        "exists, half to replies that differ and half to replies that agree. The probability is fixed once a day and "
        "stored with the label, which is then weighted by 1 / probability: rare strata are labelled more often "
        "without counting for more. About one labelled pair in ten is offered to a second person.",
        excludes="Pairs that still wait for the judge, pairs without two replies, and pairs whose text was deleted. "
        "Skipped pairs stay unlabelled: skip what you cannot judge, not what is close.",
        paper="Neyman 1938 (two-phase sampling)",
    ),
    "reviewers": Explanation(
        title="Agreement between reviewers",
        what="How often two people give the same label to the same pair, plain and beyond chance.",
        how="From all pairs that both labelled. κ (kappa) is 0 at chance and 1 at always; AC1 measures the same and "
        "stays meaningful where one answer is rare. Where people disagree, the majority counts; without a majority it "
        "is a tie.",
        excludes="Pairs that one person labelled. Names are not verified: this page has no sign-on.",
        paper="Cohen 1960; Gwet 2008",
    ),
    "confidence": Explanation(
        title="Confidence",
        what="How sure the candidate is of its own reply, from 0 to 100%.",
        how="The geometric mean of the probabilities that the model gave to the tokens of its answer; where it calls a "
        "tool, of those of the arguments. Each pair is in the bin of its candidate's confidence.",
        excludes="Tokens of the reasoning and of the markup around tool calls. The probabilities are the model's own, "
        "often too high, and before any format that is forced on it: this page shows how far to trust them.",
        paper="Gupta et al. 2024 (confidence from token probabilities)",
    ),
    "incidents": Explanation(
        title="Incidents",
        what="Periods in which a monitored figure was out of bounds, opened and closed by `shadow monitor`.",
        how="Regret drift is detected by betting against what is normal at that hour of the week; the probability of "
        "a false alarm within the configured number of comparisons is 5%. Other detectors monitor segments, losses "
        "and delays, failures, the judge against people, and the ceiling. Times are those of the requests.",
        excludes="Hours that may still receive pairs: the monitor waits for late pairs before it evaluates an hour.",
        paper="Shin, Ramdas & Rinaldo 2024 (drift)",
    ),
}


def tip(measure: str) -> str:
    """One sentence for the tooltip of a metric."""
    return MEASURES[measure].what


def heading(title: str, *measures: str) -> None:
    """The heading of a card, with the popover on its right. `title` must be a text of this project."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"##### {title}", width="content")
        popover(*measures)


def popover(*measures: str) -> None:
    """The popover "How this is computed", for each of `measures`."""
    with st.popover("How this is computed", type="tertiary", icon=":material/info:"):
        for measure in measures:
            found = MEASURES[measure]
            st.markdown(f"**{found.title}**")
            st.markdown(f"{found.what} {found.how}")
            st.markdown(f"*Not included:* {found.excludes}")
            if found.paper:
                st.caption(found.paper)
