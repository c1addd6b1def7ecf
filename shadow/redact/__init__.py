"""Replace personal data and secrets in text and JSON before they leave the process.

Two aims conflict. Nothing private may pass, and nothing else may change: an order number that
becomes `[phone]` makes the comparison of two replies wrong. So a number is replaced only if its
notation identifies it, together with its check digit if it has one.

The rules search a folded copy of the text (`folding`); what they find is replaced in the text itself.

Every rule runs in time linear in the text. A rule first searches for a short literal or a class
of characters, which the regex engine does at the speed of a memory scan, and only then matches,
over a bounded length or possessively (`++`: no backtracking). A megabyte of base64 or an
adversary's text costs no more than a megabyte of prose.

redactor         texts, JSON values and whole exchanges
text_rules       all rules, on one text
rules            what is searched for, a file for each kind
structures       what the structure of JSON gives away: names beside values, headers, parts
clean_texts      which texts were clean, so that they need not be searched again
folding          other spellings of the same characters, folded for the search
placeholders     what stands in place of what is private
custom_patterns  the patterns under [redaction.patterns]
keys             which keys of a dictionary mark their values as secret
pseudonyms       units, replaced by a keyed hash
spans            searching text and replacing spans of it
"""

from shadow.redact.redactor import Redactor

__all__ = ["Redactor"]
