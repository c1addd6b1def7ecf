"""How each number is computed: one text per measure, and the one element that shows it.

Written for people who run models and are not statisticians: what the number is, how it is made,
what is not in it, and who proved the method. Titles of papers are names, not links: a page
asks nobody but us for anything.
"""

from dataclasses import dataclass
from typing import Final

import streamlit as st


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Of one measure. `what` is one sentence, good for a tooltip; `paper` is empty for plain counting."""

    title: str
    what: str
    how: str
    without: str
    paper: str = ""


_LOOKING: Final = "The 95% interval is of the watched kind: it stays valid however often, and whenever, you look."

MEASURES: Final[dict[str, Explanation]] = {
    "agreement": Explanation(
        title="Agreement",
        what="How often the two replies mean the same for this task, from 0 to 100%.",
        how="The mean over the scored pairs, each weighted by 1 / its chance of being sampled, so that it speaks "
        f"for all of the traffic and not for what was sampled most. {_LOOKING}",
        without="Pairs that could not be scored: they are counted beside it, never as agreement and never as 0.",
        paper="Howard, Ramdas, McAuliffe & Sekhon 2021 (equal chances); Waudby-Smith & Ramdas 2024, Theorem 3 "
        "(scores, unequal chances)",
    ),
    "ceiling": Explanation(
        title="Ceiling and excess disagreement",
        what="How often the frontier agrees with itself, and how much more the candidate disagrees than that.",
        how="Some exchanges are answered by the frontier a second time. Its agreement with itself is the ceiling:"
        " nobody can agree with it better than that. On exactly those exchanges the excess is the candidate's"
        " disagreement minus the frontier's own, pair by pair, so that hard questions count on both sides. "
        f"{_LOOKING}",
        without="Exchanges that have only one of the two answers. An excess whose interval holds 0 is no difference.",
        paper="Waudby-Smith & Ramdas 2024, Theorem 3, on paired differences",
    ),
    "regret": Explanation(
        title="Regret",
        what="How much worse the candidate's reply is than the frontier's, where somebody knows; 0 is as good or "
        "better.",
        how="Each source is counted by itself: what people say, what the right answer says, what a judge says. "
        "The figure shown first is of the strongest source with enough pairs. Each pair weighs 1 / (its "
        f"chance of being sampled × its chance of being looked at by that source). {_LOOKING}",
        without="Disagreement. Where two replies differ the small model may be the one that is right, and where they "
        "agree both may be wrong. Pairs nobody looked at are not in it either.",
        paper="Howard et al. 2021; Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2024 (unequal chances)",
    ),
    "net_regret": Explanation(
        title="Net regret",
        what="Regret minus its mirror image: how much better the candidate was where it was better.",
        how="Below 0 the candidate is the better one on the whole. Loss and gain each get an interval at half the"
        " error, and the difference of the bounds bounds the difference.",
        without="Ties count as 0 on both sides.",
    ),
    "sources": Explanation(
        title="Who says so",
        what="A person's label is the strongest word, then the right answer, then a judge model.",
        how="Regret by source stands side by side, from the pairs that source has seen. κ (kappa) says how far "
        "the judge agrees with people beyond chance: 0 is chance, 1 is always. AC1 says the same and is not "
        "fooled where one answer is rare. A judge is asked twice with the replies swapped; a changed mind is "
        "a tie.",
        without="A judge alone never raises traffic.",
        paper="Cohen 1960; Gwet 2008",
    ),
    "over_time": Explanation(
        title="Regret over time",
        what="Each period by itself, and everything since the start of the window as it came in.",
        how="Dots and the blue band are one period each, by the time of the request (UTC), with that period's own "
        "interval. The grey line adds the periods up from the start of the window and narrows as data comes in. "
        "Because intervals are of the watched kind, you may act at any point of it.",
        without="Periods with too few pairs stand as small grey dots and are in no band; in the grey line they count.",
        paper="Howard et al. 2021; Waudby-Smith & Ramdas 2024",
    ),
    "served": Explanation(
        title="Served by the candidate",
        what="The observed share of traffic that the candidate answered.",
        how="Pairs whose exchange the candidate served, over all pairs, each weighted by 1 / its chance of being "
        "sampled. A change of stage is where most of the traffic of a period carries another `stage`.",
        without="Exchanges that were not mirrored, except through the weights.",
    ),
    "sampled": Explanation(
        title="What was sampled",
        what="How many pairs the figures rest on, and with what chance they were chosen.",
        how="A pair chosen with a chance of 5% stands for 20 exchanges. The heaviest pair decides how careful the"
        " interval has to be; the typical chance is one over the mean weight. Judged and labelled shares are "
        "of these pairs.",
        without="The chances themselves are not estimated: they are stored with each pair at the moment of sampling.",
    ),
    "segments": Explanation(
        title="Segments",
        what="Which parts of the traffic are worse, worst first, with a bound on false flags.",
        how="Each segment collects evidence (an e-value) that its regret is above the task's limit or, where regret is "
        "unknown, that it disagrees more than the rest. e-BH flags as many as can be flagged so that at most the "
        "configured share of the flags is expected to be wrong, at any look and although segments overlap. q is the "
        "smallest such share at which this segment would be flagged.",
        without="A verdict on thin segments: *not enough data* means just that, least of all that they are fine.",
        paper="Wang & Ramdas 2022, Theorem 2; Ramdas, Ruf, Larsson & Koolen 2022 (against the rest)",
    ),
    "worst_crossing": Explanation(
        title="Worst crossing",
        what="The combination of up to three dimensions in which the candidate does worst.",
        how="Exchanges are split in two halves by a hash of their ids. All crossings are searched on one half; the few "
        "worst are then tested on the other half, which had no say in finding them. Only what is confirmed there is "
        "flagged.",
        without="What was found but not confirmed: of many crossings some are the worst by luck. And pairs that "
        "were sampled so rarely that all others would have to be thinned out to their number.",
        paper="Sagadeeva & Boehm 2021 (the search)",
    ),
    "crossing": Explanation(
        title="Two dimensions crossed",
        what="Agreement where two dimensions meet, and the number of pairs.",
        how="The mean agreement of the pairs in each field, kept by the day: a window counts every day it touches.",
        without="Fields in grey have too few pairs to say.",
    ),
    "shift": Explanation(
        title="Shift",
        what="How far two windows are apart, from 0 (the same) to 1 (nothing in common).",
        how="Mixes of a dimension: Jensen-Shannon distance. Lengths and latencies: the largest gap between the "
        "two cumulative distributions (Kolmogorov-Smirnov), and by which factor values moved. The p-value "
        "comes from dealing the pooled pairs out anew 999 times, and q from correcting all of them together, "
        "so that of what is called shifted at most 5% is expected to be chance. With a million exchanges "
        "everything is beyond chance, so an effect under 0.1 is called too small to matter.",
        without="Whether it is good or bad. Shift explains; by itself it is no alarm.",
        paper="Lin 1991; Benjamini & Hochberg 1995",
    ),
    "text_shift": Explanation(
        title="Words of the requests",
        what="Whether a classifier can tell from its words which window a request is from.",
        how="Up to 1,000 stored requests of each window, evenly over time. A small model learns on half of them "
        "to tell the windows apart and is tested on the other half: 0 is guessing, 1 is always right. Its "
        "strongest words say what changed.",
        without="Requests whose text retention has taken, and word order beyond two neighbours.",
        paper="Lopez-Paz & Oquab 2017; Mann & Whitney 1947",
    ),
    "where_more": Explanation(
        title="Is it worse there?",
        what="Agreement and regret in what became more frequent, against the rest of the current window.",
        how="The value whose share grew most is compared with all other values of its dimension. It is called "
        "worse, or better, when the 95% interval of the difference leaves 0 out.",
        without="Latencies and output lengths: scores are not kept by them.",
    ),
    "unscored": Explanation(
        title="Unscored",
        what="Share of pairs that no scorer could judge, with the reason.",
        how="A reply that failed, cannot be read, or a question without what the scorer needs.",
        without="Never counted as 0, nor as agreement. Exchanges that sampling left out are not among the pairs here.",
    ),
    "prices": Explanation(
        title="Latency, cost, failures",
        what="The middle (p50) and the slowest hundredth (p99) of the times to the last byte, and the mean cost of"
        " a call.",
        how="Quantiles are read from stored histograms, within 4.5%. Cost is tokens times price, where both are known.",
        without="Calls whose endpoint told no token count: they are left out, not taken for free.",
    ),
    "week": Explanation(
        title="Hour and weekday",
        what="Agreement by hour of the week, UTC, over the whole window.",
        how="Every weekday together is the last row, and every hour together the last column: they say something long "
        "before the single fields do.",
        without="Fields in grey have too few pairs to say.",
    ),
    "trend": Explanation(
        title="Agreement over time",
        what="Mean agreement of the pairs of each day or hour, by the time of the request (UTC).",
        how=f"The band is each point's own interval. {_LOOKING}",
        without="Grey dots have too few pairs to say: choose days instead of hours, or a larger segment.",
        paper="Howard et al. 2021; Waudby-Smith & Ramdas 2024",
    ),
    "counts": Explanation(
        title="Pairs and failures",
        what="Plain counts by the time of the request.",
        how="Failed replies could not be had or read, by kind. Unscored pairs have two replies, or should have, and no "
        "score.",
        without="Failures are never counted as disagreement.",
    ),
    "ledger": Explanation(
        title="Where every exchange went",
        what="Two sums that must add up: no exchange goes missing silently.",
        how="*Accepted*: chosen by sampling and handed to the publisher. *Mirrored*: seen on the topic. "
        "*Compared*: both replies scored. *Unscored*: answered, but not scored. *Dead-lettered*: could not be"
        " processed and kept aside. *Expired*: too old when its turn came. *In flight*: no outcome yet.",
        without="The window: these are counted since the database was set up.",
    ),
    "labelling": Explanation(
        title="Which pairs people are asked about",
        what="A random draw from the pairs of the last week, with a chance that depends on what is known of them.",
        how="Half of the day's labels go to pairs that the judge calls worse and half to the others; where no judge "
        "looked, half to replies that differ and half to replies that agree. The chance is settled once a day and kept "
        "with the label, which then weighs 1 / chance: what is rare is looked at more often without counting for more. "
        "About one labelled pair in ten is offered to a second person.",
        without="Pairs that a judge is still to look at, pairs without two replies, and those whose words are no "
        "longer kept. Skipped pairs stay unlabelled: skip what you cannot judge, not what is close.",
        paper="Neyman 1938 (two-phase sampling)",
    ),
    "reviewers": Explanation(
        title="Agreement between reviewers",
        what="How often two people say the same of the same pair, plain and beyond chance.",
        how="From all pairs that both labelled. κ (kappa) is 0 at chance and 1 at always; AC1 says the same and is not "
        "fooled where one answer is rare. Where people disagree, what most of them say counts, else it is a tie.",
        without="Pairs that one person labelled. Names are not checked: this page has no sign-on.",
        paper="Cohen 1960; Gwet 2008",
    ),
    "incidents": Explanation(
        title="Incidents",
        what="Periods in which a watched figure was out of bounds, opened and closed by `shadow monitor`.",
        how="Regret drift is told by bets against what is normal at that hour of the week; a false alarm within the "
        "configured number of comparisons has a chance of 5%. Others watch segments, losses and delays, failures, the "
        "judge against people, and the ceiling. Times are those of the requests.",
        without="Hours that may still be filled: the monitor waits for late pairs before it judges an hour.",
        paper="Shin, Ramdas & Rinaldo 2024 (drift)",
    ),
}


def tip(measure: str) -> str:
    """One sentence for the tooltip of a metric."""
    return MEASURES[measure].what


def heading(title: str, *measures: str) -> None:
    """A card's heading, with what is behind its numbers at its right. `title` is our own words."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"##### {title}", width="content")
        behind(*measures)


def behind(*measures: str) -> None:
    """The reusable "How this is computed"."""
    with st.popover("How this is computed", type="tertiary", icon=":material/info:"):
        for measure in measures:
            found = MEASURES[measure]
            st.markdown(f"**{found.title}**")
            st.markdown(f"{found.what} {found.how}")
            st.markdown(f"*Not in it:* {found.without}")
            if found.paper:
                st.caption(found.paper)
