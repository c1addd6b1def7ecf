"""Numbers, and what else `numeric` compares, in the notations that models write.

quantity      what is compared, and when two are the same
notation      how one quantity is written
plain_numbers numbers beside which nothing belongs to them, read faster
dates         dates and times of day, with the months of several languages
number_words  numbers in words
expressions   the value of 3π/4 or 1 + √2
quantities    every quantity in a text, and which of them is the answer
context       what stands around a number and changes its meaning
markup        a line without Markdown, HTML, footnotes, and with ASCII digits
latex         LaTeX rewritten as plain text
units         units of measurement and currencies, and which convert into each other
unit_names    how they are written in several languages
"""
