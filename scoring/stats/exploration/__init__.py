"""Where and what: distribution shifts between two windows, and the segments that are worst.

shift       mixes and numbers of two windows compared
text_shift  a classifier that tries to tell the texts of two windows apart
slices      crossings of segments found on one half and confirmed on the other
"""
