"""What commands print and write: tables for a terminal, JSON, JSON lines.

evidence_table     evidence, as sentences and segments, or as a file
calibration_table  a judge's calibration
label_lines        labels as JSON lines
"""
