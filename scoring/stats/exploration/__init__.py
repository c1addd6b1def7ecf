"""Exploration: distribution shifts between two windows, and the worst segments.

shift       compares the categories and numbers of two windows
text_shift  compares the texts of two windows with a classifier
slices      crossings of segments, found on one half of the data and confirmed on the other
"""
