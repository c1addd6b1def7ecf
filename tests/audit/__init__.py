"""Do the scorers agree where they must, and only there? Thousands of generated pairs whose answer is known.
Is what is private replaced, and only that? A corpus of texts.

case      a pair, and whether it must agree
cases     pairs of replies that must agree, and pairs that must not, per scorer; seeded
notation_cases  those in other notations and languages, and in wrappings that negate or break an answer
meaning_cases   those of the scorer `meaning`
audit     what the scorers say of them, counted
redaction  `make audit-redaction`: what redaction does with the corpus, into docs/redaction.md
__main__  `make audit-scorers`: writes the table into docs/scorers.md
"""
