"""Review: people label which of two replies is better, without knowing which model wrote it.

page             the page
reads            its cached reads: the plan, progress, agreement between reviewers
labels           writes: store a label, undo it
review_queue     the pairs that wait for one reviewer; no database, no widgets
plan             with which probability a pair is chosen for labelling
side_assignment  which reply stands on which side
progress         the lower half of the page: progress and reviewers
keys             keyboard shortcuts beyond Streamlit's own
"""
