"""Take personal data and secrets out of text and JSON before it leaves the process.

Two aims conflict. Nothing private may pass, and nothing else may change: an order number that
turns into `[phone]` spoils the comparison that mirroring is for. So numbers are replaced only
where their shape, and a check digit where there is one, identify them.

Every rule runs in time linear in the text. A rule first searches for a short literal or a class
of characters, which the regex engine does at the speed of a memory scan, and only then matches,
over a bounded length or possessively (`++`: no backtracking). A megabyte of base64 or an
adversary's text costs no more than a megabyte of prose.

redactor         texts, JSON values and whole exchanges
secrets          passwords, keys, authorization headers
tokens           keys and tokens that services mark by their first letters
contacts         e-mail addresses, phone and card numbers, IBANs
custom_patterns  the patterns under [redaction.patterns]
keys             which keys of a dictionary mark their values as secret
pseudonyms       units, replaced by a keyed hash
spans            searching and replacing, for the rules
"""

from shadow.redact.redactor import Redactor

__all__ = ["Redactor"]
