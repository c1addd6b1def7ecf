"""Numbers, and what else `numeric` compares, in the notations that models write.

quantity    what is compared, and when two are the same
notation    how one quantity is written
quantities  every quantity in a text, and which of them is the answer
latex       LaTeX rewritten as plain text
units       units of measurement, and which convert into each other
"""
