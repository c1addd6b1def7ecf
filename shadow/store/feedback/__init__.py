"""What people and judges say of stored pairs.

labels         write and read people's labels
label_rows     labels as rows: one per pair and reviewer
pair_opinions  all opinions of a pair, locked and counted together
verdicts       which pairs a judge is still to be asked about, its cached verdicts, its spending
review         which pairs people are asked to label, and how far they have come
"""
