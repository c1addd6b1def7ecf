"""Statistics that stay valid under continuous looking: numbers in, frozen results out, no I/O.

moments       addable sums of scores in [0, 1], weighted by 1 / sampling probability
sequential    confidence sequence for a share, from counts
wealth        the bets behind the e-processes and confidence sequences below
weighted      confidence sequence for a mean of rows with unequal sampling probabilities
betting       confidence sequence for a mean of scores anywhere in [0, 1]
unit_means    means over users or conversations that make many calls
ceiling       disagreement in excess of the frontier's disagreement with itself
segments      e-values for segments that are worse than a limit, or than the rest
ebh           e-BH: false discovery rate control with e-values
gate          non-inferiority: may the candidate have more traffic?
judges        agreement of a judge with people
two_phase     a judge's verdicts on all pairs, corrected by people's labels on some
detection/    has a rate risen: baseline and drift detector
exploration/  what has changed between two windows, and which segments are worst
"""
