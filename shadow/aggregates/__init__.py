"""Addable sufficient statistics, and into which of them a scored pair counts. No I/O.

tally               sums per hour, segment and crossing, which can be added in any order
counting            into which cells of a tally a pair counts, and what
derived_dimensions  the dimensions that the platform adds to those an application declares
per_unit            scores summed per unit: a user or conversation that made many calls
regret_sources      who may say that a reply is worse, and which of them goes first
"""
