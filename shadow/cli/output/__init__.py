"""What commands print and write: text and tables for a terminal, JSON, JSON lines.

terminal           text from outside made harmless for a terminal
files              input and output files, with `-` for standard input and output
evidence_table     evidence as sentences and segments, or as JSON
calibration_table  a judge's calibration, as a table or as JSON
scorers_table      the scorers' agreement with people, as a table or as JSON
intervals          intervals of shares, as text or as JSON
label_lines        labels as JSON lines
monitor_summary    what `shadow monitor --once` has processed
prune_summary      what `shadow prune` has deleted
"""
