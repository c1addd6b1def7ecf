"""Addable sufficient statistics, and into which of them a scored pair counts. No I/O.

tally               sums per hour and segment, which can be added in any order
counters            counted failures and unscored pairs, read from a tally
counting            what a pair adds, and to which cells
cardinality         a limit on the number of segments
confidence_bins     the bins in which confidences are counted
derived_dimensions  the dimensions that the platform adds to those an application declares
unit_scores         scores summed per unit: a user or conversation that made many calls
regret_sources      the sources of regret, their order, and a pair's regret by each
"""
